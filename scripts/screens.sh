#!/usr/bin/env bash
# Pictures of every page of the demo: on a desktop, on a phone and in the dark.
#
#   scripts/screens.sh FOLDER [PAGE...]   PAGE: names as in scripts/demo/screens.py; all of them by default
#
# Starts the demo with data of its own unless CARDWIRE_URL names one that is running.
set -euo pipefail
[ $# -ge 1 ] || { sed -n '2,6s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2; }
mkdir -p "$1"
folder=$(realpath "$1")
shift
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/servers.sh

need python3 python3
need chromium chromium
need chromedriver chromium-driver

if [ -z "${CARDWIRE_URL:-}" ]; then
    temporary=$(mktemp -d "${TMPDIR:-/tmp}/cardwire-screens.XXXXXX")
    export CARDWIRE_DATA="$temporary/data" PORT METRICS_PORT DEMO_SITE_PORT
    PORT=$(free_port) METRICS_PORT=$(free_port) DEMO_SITE_PORT=$(free_port)
    scripts/demo.sh >"$temporary/demo.log" 2>&1 &
    demo=$!
    trap 'kill "$demo" 2>/dev/null || true; wait "$demo" 2>/dev/null || true; rm -rf "$temporary"' EXIT
    until grep -q 'The demo is up' "$temporary/demo.log"; do
        kill -0 "$demo" 2>/dev/null || { cat "$temporary/demo.log" >&2; exit 1; }
        sleep 0.5
    done
    CARDWIRE_URL="http://127.0.0.1:$PORT"
fi
PYTHONDONTWRITEBYTECODE=1 python3 scripts/demo/screens.py "$CARDWIRE_URL" "$folder" "$(free_port)" "$@"
