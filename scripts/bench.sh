#!/usr/bin/env bash
# Measures Cardwire in a release build: every scenario, or the one that is named. See docs/develop/PERFORMANCE.md.
#
#   scripts/bench.sh                                  all scenarios once
#   scripts/bench.sh --repeat 5 --peer DIR            beside BullMQ's benchmark in DIR (npm install there first)
#   scripts/bench.sh saga --keys same --workers 3     one scenario
#   scripts/bench.sh --help                           all flags
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

for program in redis-server pgbench; do
    command -v "$program" >/dev/null || { echo "\`$program\` is missing; scripts/test.sh installs the servers." >&2; exit 1; }
done
cargo build --release --locked --quiet --bins

bench="${CARGO_TARGET_DIR:-target}/release/cardwire-bench"
for argument in "$@"; do
    case "$argument" in
        all | queue | saga | save | e2e | feed-read | search | -h | --help | -V | --version) exec "$bench" "$@" ;;
    esac
done
exec "$bench" all "$@"
