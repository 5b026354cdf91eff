#!/usr/bin/env bash
# Builds the peers that the whole-process comparison runs, in exact versions from the Go module proxy, into a cache folder
# outside the repository. Prints the folder. Some minutes the first time, nothing after that.
set -euo pipefail
peers=${PRIVY_PEERS:-${XDG_CACHE_HOME:-$HOME/.cache}/privy-seal/peers}
mkdir -p "$peers"
command -v go >/dev/null || { echo "peers.sh: Go is missing; the comparison with other tools cannot run" >&2; exit 1; }

# peer PACKAGE VERSION: rebuilt when the version is another.
peer() {
    local name=${1##*/}
    [ -x "$peers/$name" ] && [ "$(cat "$peers/.$name.version" 2>/dev/null)" = "$2" ] && return
    echo "building $name $2 (once)" >&2
    GOBIN=$peers GOFLAGS=${GOFLAGS--p=2} nice -n 10 go install -trimpath -ldflags '-s -w' "$1@$2" >&2
    printf '%s\n' "$2" >"$peers/.$name.version"
}
peer github.com/go-jose/go-jose/v4/jose-util v4.1.8
peer filippo.io/age/cmd/age-keygen v1.3.2
peer filippo.io/age/cmd/age v1.3.2
# The last version whose module path the proxy can verify.
peer github.com/bitnami-labs/sealed-secrets/cmd/kubeseal v0.36.0
peer github.com/getsops/sops/v3/cmd/sops v3.13.3
echo "$peers"
