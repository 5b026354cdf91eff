# Shared by the build scripts beside it; sourced, never run. A script says what it builds:
#   brought KEY…            prints the path of a program that the user brought, if there is one
#   cached NAME VERSION     prints the folder of the cache for it, made when missing
#   build_once FOLDER FILE COMMAND…   runs COMMAND with $out set, unless FOLDER/FILE is there already
# What a build says goes to stderr: the last line of stdout is the path of the program.

cache_root=${PRIVY_E2E_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/privy-seal/e2e}

# brought VARIABLE PROGRAM: the path in $VARIABLE, else PROGRAM in $KUBEBUILDER_ASSETS.
brought() {
    local path=${!1:-}
    if [ -z "$path" ] && [ -n "${KUBEBUILDER_ASSETS:-}" ] && [ -x "$KUBEBUILDER_ASSETS/$2" ]; then
        path=$KUBEBUILDER_ASSETS/$2
    fi
    [ -n "$path" ] || return 1
    if [ ! -x "$path" ]; then
        echo "$path (from $1 or KUBEBUILDER_ASSETS) is no program" >&2
        exit 1
    fi
    printf '%s\n' "$path"
}

cached() {
    mkdir -p "$cache_root/$1-$2"
    printf '%s\n' "$cache_root/$1-$2"
}

# Two builds of one thing wait for each other; a build that was cut off leaves nothing that looks finished.
build_once() {
    local folder=$1 file=$2 start=$SECONDS
    shift 2
    exec 9>"$folder/.lock"
    if command -v flock >/dev/null; then flock 9; fi
    if [ ! -x "$folder/$file" ]; then
        echo "building $file into $folder (once)" >&2
        out=$folder/.$file.new
        "$@" >&2
        mv "$out" "$folder/$file"
        echo "built $file in $((SECONDS - start)) s" >&2
    fi
    exec 9>&-
    printf '%s\n' "$folder/$file"
}

# debian FILE PACKAGE…: as root on Debian, installs the packages unless FILE (a path or the name of a program) is there.
debian() {
    local wanted=$1
    shift
    if [ -e "$wanted" ] || command -v "$wanted" >/dev/null; then return 0; fi
    [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null || return 0
    echo "installing $*" >&2
    (
        # Two suites that install at once wait for each other.
        exec 9>"${TMPDIR:-/tmp}/privy-e2e-apt.lock"
        if command -v flock >/dev/null; then flock 9; fi
        export DEBIAN_FRONTEND=noninteractive
        apt-get install -q -y --no-install-recommends "$@" || { apt-get update -q && apt-get install -q -y --no-install-recommends "$@"; }
    ) >&2 </dev/null
}

need_go() {
    command -v go >/dev/null || { echo 'building the servers needs Go 1.26 or later (https://go.dev/dl)' >&2; exit 1; }
}

# Reproducible and polite: what go.sum says, no paths of this machine, two compilers at a time, behind everybody else.
go_build() {
    GOFLAGS=${GOFLAGS--p=2} nice -n 15 go build -trimpath -buildvcs=false -mod=readonly "$@"
}
