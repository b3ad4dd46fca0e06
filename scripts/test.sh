#!/usr/bin/env bash
# The one test command: sets up what the tests need, then runs all of them. Arguments go to `cargo nextest run`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }
can_install() { command -v apt-get >/dev/null && { [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }; }

# need NAME PACKAGE: the test harness starts servers of its own, so their programs must be here.
need() {
    local found=1
    case "$1" in
        libfaketime) compgen -G '/usr/lib/*/faketime/libfaketimeMT.so.1' >/dev/null || found=0 ;;
        postgres) compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || command -v postgres >/dev/null || found=0 ;;
        *) command -v "$1" >/dev/null || found=0 ;;
    esac
    [ "$found" = 1 ] && return
    if can_install; then
        echo "installing $2, which provides $1"
        as_root apt-get update -qq
        # Only the programs are needed: no service is started.
        as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends "$2" >/dev/null
    else
        echo "The tests need \`$1\`. Install the package $2 (Debian, Ubuntu: sudo apt-get install $2) and run this again." >&2
        exit 1
    fi
}

need postgres postgresql
need redis-server redis-server
need libfaketime libfaketime
if ! cargo nextest --version >/dev/null 2>&1; then
    echo "installing cargo-nextest, which runs the tests"
    cargo install cargo-nextest --locked
fi

# Some tests run the real binaries as processes.
cargo build --workspace --bins --locked
cargo nextest run --workspace --locked "$@"
