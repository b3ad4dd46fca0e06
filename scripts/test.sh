#!/usr/bin/env bash
# The one test command: sets up what the tests need, then runs all of them but those in a browser and those with a real PDS, which need more:
# scripts/test-browser.sh and scripts/test-atproto.sh. Arguments go to `cargo nextest run`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/servers.sh
# Where Debian puts pgbouncer.
export PATH="$PATH:/usr/sbin"

need postgres postgresql
need redis-server redis-server
need pgbouncer pgbouncer
need libfaketime libfaketime
need openssl openssl
need curl curl
need_nextest

# Some tests run the real binaries as processes.
# With the tests: alone, the binaries would be built with other features of the same dependencies, and so everything twice.
cargo build "${every_test[@]}" --bins --tests

# Tests that share a server make a database each. Tests that break their server start one of their own.
folder=$(mktemp -d "${TMPDIR:-/tmp}/cardwire-test.XXXXXX")
chmod 755 "$folder"
trap 'stop_postgres "$folder/postgres"; rm -rf "$folder"' EXIT
start_postgres "$folder/postgres" "-c fsync=off -c max_connections=300"
export TEST_DATABASE_URL="postgres://cardwire@127.0.0.1:$postgres_port/postgres"

cargo nextest run "${every_test[@]}" "$@"
