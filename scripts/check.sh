#!/usr/bin/env bash
# Everything that can be said about the code without running it: format, lints, docs, dependencies.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/servers.sh

step() { printf '\n== %s\n' "$*"; "$@"; }

step cargo fmt --all --check
step cargo clippy "${every_test[@]}" --all-targets -- -D warnings
RUSTDOCFLAGS="-D warnings" step cargo doc --workspace --no-deps --locked --quiet
for script in .ci/run docker/*.sh scripts/*.sh; do step bash -n "$script"; done
if ! command -v cargo-deny >/dev/null; then
    # It runs for a second, so it need not be fast; an optimised build takes minutes more.
    step cargo install cargo-deny --version '^0.20' --locked --debug
fi
step cargo deny --locked check licenses bans sources
# Their list comes from the network, and checks must not depend on that.
if compgen -G "${CARGO_HOME:-$HOME/.cargo}/advisory-db*/*" >/dev/null; then
    step cargo deny --locked --offline check advisories
else
    printf '\n== SKIPPED: advisories. `cargo deny fetch db` gets their database; then they are checked here.\n'
fi
