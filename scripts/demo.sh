#!/usr/bin/env bash
# Cardwire with something in it: five people, five collections and twenty pages with pictures, to look around in. Needs Rust and Python 3; once
# built, no network. Run it again, and what is there stays.
#
#   CARDWIRE_DATA   where the data is kept (./data/demo); delete the folder to begin anew
#   PORT            where it listens (8080), on this machine alone
#   DEMO_SITE_PORT  where the saved pages come from (8099); links keep it, so change it only with the folder
#   CARDWIRE_WEB    a `web` binary to start instead of building one
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

for program in python3 ${CARDWIRE_WEB:-cargo}; do
    command -v "$program" >/dev/null || { echo "$program is missing." >&2; exit 1; }
done

export HOST=127.0.0.1 PORT="${PORT:-8080}" METRICS_PORT="${METRICS_PORT:-9091}"
data="${CARDWIRE_DATA:-data/demo}" site_port="${DEMO_SITE_PORT:-8099}" password="look-around-here"
export DATABASE_URL="sqlite:$data/cardwire.db"
# The saved pages are on this machine, which only a development instance may fetch from.
export APP_ENV=development METADATA_ALLOW_PRIVATE_HOSTS=true APP__REGISTRATION=open
unset USE_MOCK_REPOS USE_IN_MEMORY_EVENTS USE_MOCK_AUTH REDIS_URL REDIS_CLUSTER_NODES REDIS_SENTINEL_1_HOST

web="${CARDWIRE_WEB:-}"
if [ -z "$web" ]; then
    web="${CARGO_TARGET_DIR:-target}/quick/web"
    [ -x "$web" ] || echo "Building Cardwire. The first time takes a few minutes."
    cargo build --profile quick --locked --bin web
fi
mkdir -p "$data"

# The made-up sites lead to this machine for Cardwire alone, where the system lets a program have its own /etc/hosts.
{
    cat /etc/hosts
    python3 -c 'import sys; sys.path.insert(0, "scripts/demo"); import content
for host in sorted({page[0] for page in content.PAGES}): print("127.0.0.1", host)'
} >"$data/hosts"
own_hosts=(unshare --user --map-root-user --mount sh -c 'mount --bind "$0" /etc/hosts && exec "$@"' "$data/hosts")
if "${own_hosts[@]}" true 2>/dev/null; then
    hosts=names
else
    own_hosts=() hosts=address
fi
# Links that were saved the other way stay as they are.
if [ -f "$data/hosts-by" ]; then hosts=$(cat "$data/hosts-by"); else echo "$hosts" >"$data/hosts-by"; fi

# In process groups of their own, so that Ctrl-C reaches them once, through this script.
set -m
python3 scripts/demo/site.py "$site_port" &
site=$!
"${own_hosts[@]}" "$web" "$@" >"$data/cardwire.log" 2>&1 &
server=$!
set +m
stop() {
    trap '' INT TERM
    trap - EXIT
    kill "$site" "$server" 2>/dev/null || true
    wait "$site" "$server" 2>/dev/null || true
}
trap stop EXIT
trap 'stop; exit' INT TERM

for n in $(seq 600); do
    for process in "$site" "$server"; do
        kill -0 "$process" 2>/dev/null || { echo "The demo does not start: see $data/cardwire.log" >&2; exit 1; }
    done
    ! "$web" healthcheck 2>/dev/null || break
    [ "$n" != 600 ] || { echo "The demo is not ready after a minute: see $data/cardwire.log" >&2; exit 1; }
    sleep 0.1
done
PYTHONDONTWRITEBYTECODE=1 python3 scripts/demo/seed.py "http://$HOST:$PORT" "$site_port" "$password" "$hosts"
cat <<EOF

The demo is up: http://$HOST:$PORT
Sign in as maya (an administrator), tom, ines, jun, or noor, who has saved nothing yet. The password is $password
Everything is in $data. Ctrl-C stops it; start it again, and all is there.

EOF
wait "$server"
