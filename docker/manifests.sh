#!/bin/sh
# manifests.sh FOLDER: copies what decides over the dependencies into FOLDER, with empty sources, so that building there compiles the
# dependencies and nothing else. The image's layer of them holds until a manifest changes.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
to=$1
mkdir -p "$to"
cp "$root/Cargo.toml" "$root/Cargo.lock" "$to/"
for manifest in "$root"/crates/*/Cargo.toml "$root"/bins/*/Cargo.toml; do
    from=$(dirname "$manifest")
    package=$to/${from#"$root"/}
    mkdir -p "$package/src"
    cp "$manifest" "$package/"
    for source in src/lib.rs src/main.rs build.rs; do
        [ -f "$from/$source" ] || continue
        case $source in
            src/lib.rs) : >"$package/$source" ;;
            *) echo 'fn main() {}' >"$package/$source" ;;
        esac
    done
    for bench in "$from"/benches/*.rs; do
        [ -f "$bench" ] || continue
        mkdir -p "$package/benches"
        echo 'fn main() {}' >"$package/benches/$(basename "$bench")"
    done
done
