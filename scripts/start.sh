#!/usr/bin/env bash
# Cardwire on this machine, in one process: accounts, and everything that people save in one file. Needs Rust alone.
#
#   CARDWIRE_DATA   where the data is kept (./data)
#   PORT            where it listens (8080), on this machine alone unless HOST says otherwise
#
# Further arguments go to `web`. docs/operate/SELF-HOSTING.md tells how to copy, restore and update it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if ! command -v cargo >/dev/null; then
    echo "Rust is missing: https://rustup.rs installs it." >&2
    exit 1
fi

export HOST="${HOST:-127.0.0.1}" PORT="${PORT:-8080}" METRICS_PORT="${METRICS_PORT:-9091}"
export CARDWIRE_DATA="${CARDWIRE_DATA:-data}"
export DATABASE_URL="sqlite:$CARDWIRE_DATA/cardwire.db"
unset USE_MOCK_REPOS USE_IN_MEMORY_EVENTS USE_MOCK_AUTH REDIS_URL REDIS_CLUSTER_NODES REDIS_SENTINEL_1_HOST

web="${CARGO_TARGET_DIR:-target}/quick/web"
[ -x "$web" ] || echo "Building Cardwire. The first time takes a few minutes."
cargo build --profile quick --locked --bin web

mkdir -p "$CARDWIRE_DATA"
# In a process group of its own, so that Ctrl-C reaches it once, through this script.
set -m
"$web" "$@" &
server=$!
set +m
# Whatever ends this script ends the server, which finishes what it has begun.
stop() {
    trap '' INT TERM
    trap - EXIT
    kill "$server" 2>/dev/null || true
    wait "$server"
}
trap stop EXIT
trap 'stop; exit' INT TERM

for n in $(seq 3000); do
    kill -0 "$server" 2>/dev/null || break
    if "$web" healthcheck 2>/dev/null; then
        cat <<EOF

Cardwire is up: http://$HOST:$PORT
Everything is in $CARDWIRE_DATA/cardwire.db. Ctrl-C stops it; start it again, and all is there.

EOF
        break
    fi
    [ "$n" != 100 ] || echo "Still opening $CARDWIRE_DATA/cardwire.db, all of which is checked."
    sleep 0.1
done
wait "$server"
