#!/usr/bin/env bash
# The long fault runs: 3 feed-workers, 20,000 events over 5,000 keys, a random worker killed every 500 ms for 60 s; alone, and
# with Redis flushed, Redis restarted, PostgreSQL restarted once; and one process over one file, killed every second or so. Then an account
# with 20,000 cards is deleted while others save links and processes are killed. SEEDS="1 2 3" and FAULT_SECONDS, FAULT_KEYS, FAULT_CARDS change that.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/servers.sh
export FAULT_SECONDS="${FAULT_SECONDS:-60}" FAULT_KEYS="${FAULT_KEYS:-5000}" FAULT_CARDS="${FAULT_CARDS:-20000}"

cargo build "${every_test[@]}" --bins --tests
for seed in ${SEEDS:-1 2 3}; do
    echo "== seed $seed"
    FAULT_SEED=$seed cargo nextest run "${every_test[@]}" --test processes --profile faults -j1 --success-output immediate \
        -E 'binary(processes) & test(random_kills)' "$@"
done
echo "== an account with $FAULT_CARDS cards"
cargo nextest run "${every_test[@]}" --test processes --profile faults -j1 --success-output immediate \
    -E 'binary(processes) & test(an_account_deleted)' "$@"
