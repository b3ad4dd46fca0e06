#!/usr/bin/env bash
# The documents for programs, read by tools other than ours: a linter and a generated, compiled TypeScript client for the OpenAPI document,
# their own parsers for asyncapi.yaml and the JSON schemas.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/servers.sh

need npm npm
need curl curl
folder=crates/api/tests/clients
(cd "$folder" && npm ci --ignore-scripts --no-audit --no-fund --silent)
node "$folder/contracts.mjs"

cargo build "${every_test[@]}" --bins --tests
port=$(free_port)
log=$(mktemp "${TMPDIR:-/tmp}/cardwire-clients.XXXXXX")
APP_ENV=development USE_IN_MEMORY_EVENTS=true USE_MOCK_REPOS=true USE_MOCK_AUTH=true USE_FAKE_PUBLISHERS=true LOG_FORMAT=json \
    HOST=127.0.0.1 PORT=$port METRICS_PORT=$(free_port) "${CARGO_TARGET_DIR:-target}/debug/web" >"$log" 2>&1 &
web=$!
trap 'kill "$web" 2>/dev/null || true; rm -f "$log"' EXIT
base="http://127.0.0.1:$port"
for _ in $(seq 300); do
    curl -fsS "$base/readyz" >/dev/null 2>&1 && break
    kill -0 "$web" 2>/dev/null || { cat "$log" >&2; exit 1; }
    sleep 0.1
done

cd "$folder"
rm -rf built
mkdir built
curl -fsS "$base/api/openapi.json" -o built/openapi.json
export REDOCLY_TELEMETRY=off REDOCLY_SUPPRESS_UPDATE_NOTICE=true
npx --no-install redocly lint --config redocly.yaml built/openapi.json
npx --no-install openapi-typescript built/openapi.json -o built/api.d.ts
npx --no-install tsc
node built/save-link.js "$base"
