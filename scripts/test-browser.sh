#!/usr/bin/env bash
# The pages in headless Chromium. Arguments go to `cargo nextest run`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/servers.sh

need postgres postgresql
need_browser
need npm npm
need java default-jre-headless
need_nextest
# axe-core and the Nu HTML checker, for these tests only.
(cd bins/web/tests/browser && npm ci --ignore-scripts --no-audit --no-fund --silent)

cargo build "${every_test[@]}" --bins --tests

folder=$(mktemp -d "${TMPDIR:-/tmp}/cardwire-browser.XXXXXX")
chmod 755 "$folder"
trap 'stop_postgres "$folder/postgres"; rm -rf "$folder"' EXIT
start_postgres "$folder/postgres" "-c fsync=off"
export TEST_DATABASE_URL="postgres://cardwire@127.0.0.1:$postgres_port/postgres"

cargo nextest run "${every_test[@]}" --test browser --ignore-default-filter --test-threads 2 "$@"
