# Sourced by the suites of key services, which count in $passed, $failed, $skipped and bring `skip NAME WHY`.
#
# Keys that somebody brings, of a real cloud or of a server near by, used by the very programs that people run:
#
#   real NAME VARIABLE [SETTINGS]
#
# $VARIABLE holds references as a configuration writes them, blanks between. Unset: one loud line, counted as skipped. For
# each reference `privy` fetches the card, seals, opens, and opens nothing out of its place; `privy-webhook` compares its
# public key with the card (`check-config --probe`) and opens the value in a review over HTTPS. SETTINGS is `keyServices`
# of its configuration. Where $CARD names a public key, the webhook alone is asked.
#
# by_variables NAME COMMAND…: runs COMMAND in a shell of its own, so that what it exports stays there, and counts along.

real_work=
real_programs=
# As it was when the suite began; a suite with programs of its own may build those elsewhere.
real_target=${CARGO_TARGET_DIR:-}

real_ready() {
    [ -z "$real_programs" ] || return 0
    local program
    for program in curl openssl; do
        command -v "$program" >/dev/null || { echo "real keys need $program" >&2; return 1; }
    done
    real_programs=$(
        if [ -n "$real_target" ]; then export CARGO_TARGET_DIR=$real_target; else unset CARGO_TARGET_DIR; fi
        "$real_here/servers/our-programs"
    ) || return 1
    real_work=$(mktemp -d)
}

real() {
    local name=$1 variable=$2 settings=${3:-'{}'} reference
    if [ -z "${!variable:-}" ]; then
        skip "$name" "not given: $variable is not set, so $name itself was not asked"
        return 0
    fi
    if ! real_ready; then
        failed=$((failed + 1))
        return 0
    fi
    for reference in ${!variable}; do
        if real_key "$reference" "$settings"; then
            echo "$name: $(real_named "$reference") opens by ${CARD:+the webhook, }its configuration alone"
            passed=$((passed + 1))
        else
            echo "$name: $(real_named "$reference") failed" >&2
            failed=$((failed + 1))
        fi
    done
}

# A reference without the paths of this machine.
real_named() { printf '%s' "${1%%\?*}"; }

real_key() {
    local reference=$1 settings=$2 folder envelope opened
    folder=$(mktemp -d "$real_work/key.XXXXXX")
    if [ -n "${CARD:-}" ]; then
        cp "$CARD" "$folder/card"
    else
        "$real_programs/privy" key fetch "$reference" --name payments --out "$folder/card" >"$folder/said" || return 1
    fi
    envelope=$(printf %s 'a real value' | "$real_programs/privy" seal --key "$folder/card" --for payments/db/password) || return 1
    if [ -z "${CARD:-}" ]; then
        opened=$("$real_programs/privy" open --key "$reference" --for payments/db/password <<<"$envelope") || return 1
        [ "$opened" = 'a real value' ] || { echo 'privy opened something else' >&2; return 1; }
        if "$real_programs/privy" open --key "$reference" --for other/db/password <<<"$envelope" >/dev/null 2>&1; then
            echo 'opened out of its place' >&2
            return 1
        fi
    fi
    real_webhook "$reference" "$settings" "$folder" "$envelope"
}

real_webhook() {
    local reference=$1 settings=$2 folder=$3 envelope=$4 status
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=localhost \
        -addext subjectAltName=DNS:localhost -keyout "$folder/tls.key" -out "$folder/tls.crt" 2>/dev/null || return 1
    chmod 600 "$folder/tls.key"
    cat >"$folder/webhook.yaml" <<YAML
version: 1
listen: 127.0.0.1:0
health: { listen: 127.0.0.1:0 }
tls: { certificate: tls.crt, privateKey: tls.key }
callers: { loopback: {} }
limits: { drain: 0s }
keys:
  - name: payments
    publicKey: card
    namespaces: [payments]
    unwrap: ["$reference"]
keyServices: $settings
YAML
    "$real_programs/privy-webhook" check-config --probe "$folder/webhook.yaml" >"$folder/probe" 2>&1 || {
        cat "$folder/probe" >&2
        return 1
    }
    grep -q 'holds the configured key' "$folder/probe" || { cat "$folder/probe" >&2; return 1; }
    "$real_programs/privy-webhook" --config "$folder/webhook.yaml" --log-format json >"$folder/audit" 2>"$folder/log" &
    local pid=$!
    real_review "$folder" "$envelope"
    status=$?
    kill "$pid"
    wait "$pid" 2>/dev/null
    [ "$status" -eq 0 ] || tail -n 5 "$folder/log" >&2
    return "$status"
}

real_review() {
    local folder=$1 envelope=$2 listen= health= answer= _
    for _ in $(seq 100); do
        listen=$(sed -n 's/.*"listen":"127.0.0.1:\([0-9]*\)".*/\1/p' "$folder/log" | head -n 1)
        health=$(sed -n 's/.*"health":"\([^"]*\)".*/\1/p' "$folder/log" | head -n 1)
        [ -n "$listen" ] && [ -n "$health" ] && break
        sleep 0.1
    done
    [ -n "$listen" ] || { echo 'the webhook did not start' >&2; return 1; }
    printf '{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"1","operation":"CREATE","kind":{"group":"","version":"v1","kind":"Secret"},"resource":{"group":"","version":"v1","resource":"secrets"},"namespace":"payments","name":"db","userInfo":{"username":"e2e"},"object":{"apiVersion":"v1","kind":"Secret","type":"Opaque","metadata":{"name":"db","namespace":"payments"},"data":{"password":"%s"}},"oldObject":null,"dryRun":false}}' \
        "$(printf %s "$envelope" | base64 | tr -d '\n')" >"$folder/review"
    # A key without version is served once its versions have been listed.
    for _ in $(seq 20); do
        answer=$(curl --silent --max-time 20 --cacert "$folder/tls.crt" --resolve "localhost:$listen:127.0.0.1" \
            --header 'content-type: application/json' --data-binary "@$folder/review" "https://localhost:$listen/mutate?timeout=10s")
        case $answer in *'"allowed":true'*) break ;; esac
        sleep 0.5
    done
    if ! sed -n 's/.*"patch":"\([^"]*\)".*/\1/p' <<<"$answer" | base64 -d 2>/dev/null |
        grep -qF "$(printf %s 'a real value' | base64)"; then
        printf 'the webhook opened nothing: %.400s\n' "$answer" >&2
        return 1
    fi
    curl --silent --max-time 5 "http://$health/readyz?verbose" | grep -q '^\[i\] key payments.*: reachable$' || {
        echo 'the webhook does not say that the key can be reached' >&2
        return 1
    }
    if grep -qF -e 'a real value' -e "$(printf %s 'a real value' | base64)" "$folder/log" "$folder/audit"; then
        echo 'the value stands in the log' >&2
        return 1
    fi
}

by_variables() {
    local counts p f s
    real_ready || { failed=$((failed + 1)); return 0; }
    counts=$(mktemp "$real_work/counts.XXXXXX")
    (
        passed=0 failed=0 skipped=0
        "$@"
        echo "$passed $failed $skipped" >"$counts"
    )
    read -r p f s <"$counts" || f=1
    passed=$((passed + ${p:-0})) failed=$((failed + ${f:-0})) skipped=$((skipped + ${s:-0}))
}

real_clean() { [ -z "$real_work" ] || rm -rf "$real_work"; }
