#!/usr/bin/env bash
# Cardwire in one process without any service: everything in memory, gone when it stops.
# PORT and METRICS_PORT are respected; further arguments go to `web`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export APP_ENV=development USE_IN_MEMORY_EVENTS=true USE_MOCK_REPOS=true USE_MOCK_AUTH=true USE_FAKE_PUBLISHERS=true
export HOST=127.0.0.1 PORT="${PORT:-8080}" APP__REGISTRATION="${APP__REGISTRATION:-open}"

cargo build --quiet --bin web
cat <<EOF
Cardwire starts at http://127.0.0.1:$PORT (API docs: http://127.0.0.1:$PORT/api/docs). Try, in another terminal:

  curl -s http://127.0.0.1:$PORT/api/cards/library/urls -H 'content-type: application/json' \\
       -d '{"url": "https://www.rust-lang.org/", "note": "worth a look"}'
  sleep 3.5; curl -s http://127.0.0.1:$PORT/api/feeds/global

Ctrl-C stops it.
EOF
exec "${CARGO_TARGET_DIR:-target}/debug/web" "$@"
