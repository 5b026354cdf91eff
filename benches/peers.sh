#!/usr/bin/env bash
# Builds the peers that the whole-process comparison runs, from the Go module proxy, into a cache
# folder outside the repository. Prints the folder.
set -euo pipefail
peers=${PRIVY_PEERS:-${XDG_CACHE_HOME:-$HOME/.cache}/privy-seal/peers}
mkdir -p "$peers"
command -v go >/dev/null || { echo "peers.sh: Go is missing; the comparison with jose-util cannot run" >&2; exit 1; }
[ -x "$peers/jose-util" ] || GOBIN=$peers go install github.com/go-jose/go-jose/v4/jose-util@latest >&2
echo "$peers"
