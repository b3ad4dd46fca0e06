#!/usr/bin/env bash
# bases.sh: makes the two base images of docker/Dockerfile from Debian's packages and this machine's Rust tool chain, under the names that
# the Dockerfile asks for. For machines that reach no registry of images; scripts/test-image.sh calls it there. Needs root, buildah, debootstrap.
set -euo pipefail
work=$(mktemp -d "${TMPDIR:-/tmp}/cardwire-bases.XXXXXX")
container=
trap '[ -z "$container" ] || buildah rm "$container" >/dev/null; rm -rf "$work"' EXIT
release=$(. /etc/os-release && echo "${VERSION_CODENAME:-bookworm}")

# image NAME FOLDER [buildah config flags]: the folder's content as an image.
image() {
    local name=$1 folder=$2 root
    shift 2
    container=$(buildah from scratch)
    root=$(buildah mount "$container")
    cp -a "$folder/." "$root/"
    buildah umount "$container" >/dev/null
    buildah config "$@" "$container"
    buildah commit --quiet --format docker "$container" "$name" >/dev/null
    buildah rm "$container" >/dev/null
    container=
    echo "made $name"
}

system=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

debootstrap --variant=minbase --include=gcc,libc6-dev,ca-certificates "$release" "$work/rust" >"$work/log" 2>&1 ||
    { tail -5 "$work/log" >&2; exit 1; }
mkdir -p "$work/rust/usr/local/rust"
sysroot=$(rustc --print sysroot)
cp -a "$sysroot/bin" "$sysroot/lib" "$work/rust/usr/local/rust/"
image docker.io/library/rust:1.95-slim-bookworm "$work/rust" --env "PATH=/usr/local/rust/bin:$system" --env CARGO_HOME=/usr/local/cargo
rm -rf "$work/rust"

mkdir -p "$work/debs" "$work/small/etc/ssl/certs" "$work/small/tmp"
# apt's own user writes here.
chmod 777 "$work" "$work/debs"
(cd "$work/debs" && apt-get download -qq libc6 libgcc-s1 libstdc++6 ca-certificates netbase tzdata)
for package in "$work"/debs/*.deb; do dpkg-deb -x "$package" "$work/small"; done
cat "$work"/small/usr/share/ca-certificates/mozilla/*.crt >"$work/small/etc/ssl/certs/ca-certificates.crt"
rm -rf "$work"/small/usr/share/{doc,man,ca-certificates,lintian}
printf 'root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/:/sbin/nologin\n' >"$work/small/etc/passwd"
printf 'root:x:0:\nnonroot:x:65532:\n' >"$work/small/etc/group"
chmod 1777 "$work/small/tmp"
image gcr.io/distroless/cc-debian12:nonroot "$work/small" --user 65532:65532 --env "PATH=$system"
