#!/usr/bin/env bash
# Builds docker/Dockerfile and runs what is in the image as a deployment would: each binary read-only, as its user, without capabilities,
# with a memory limit and its healthcheck; a link is saved and shown; SIGTERM ends each with 0. Then one process over one file on a volume,
# whose container is replaced. Prints the image's size, start-up times and resident memory. Uses docker where it runs, else buildah and podman.
#
#   scripts/test-image.sh                  builds and tries the image
#   IMAGE=cardwire scripts/test-image.sh   tries an image that is there
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/servers.sh

need postgres postgresql
need redis-server redis-server
need curl curl
limits=()
if docker info >/dev/null 2>&1; then
    engine=docker
else
    need podman podman
    need buildah buildah
    need runc runc
    need debootstrap debootstrap
    engine="podman --runtime runc"
    # Podman's own limits are higher than some machines let it set.
    limits=(--ulimit nofile=4096:4096 --ulimit nproc=4096:4096)
fi

image=${IMAGE:-}
if [ -z "$image" ]; then
    image=cardwire
    if [ "$engine" = docker ]; then
        docker build -f docker/Dockerfile -t "$image" .
    else
        for base in $(sed -n 's/^FROM \([^ ]*[:/][^ ]*\).*/\1/p' docker/Dockerfile); do
            buildah pull --quiet --policy missing "$base" >/dev/null 2>&1 || { docker/bases.sh; break; }
        done
        # The build reaches crates.io as this machine does, with the certificates that it trusts.
        buildah build --layers --format docker --pull=never --network host --isolation chroot \
            --volume /etc/ssl/certs:/etc/ssl/certs:ro -f docker/Dockerfile -t "$image" .
    fi
fi
# Whatever the Dockerfile puts there is run below.
mapfile -t binaries < <(sed -n 's|^COPY --from=build .* /usr/local/bin/||p' docker/Dockerfile)

run=$(mktemp -d "${TMPDIR:-/tmp}/cardwire-image.XXXXXX")
chmod 755 "$run"
prefix=cardwire-test-$$
containers=()
finish() {
    local code=$?
    for container in "${containers[@]}"; do
        [ "$code" = 0 ] || { echo "== $container" >&2; $engine logs "$container" 2>&1 | tail -5 >&2 || true; }
        $engine rm --force "$container" >/dev/null 2>&1 || true
    done
    $engine volume rm "$prefix-data" >/dev/null 2>&1 || true
    [ -z "${redis:-}" ] || kill "$redis" 2>/dev/null || true
    stop_postgres "$run/postgres"
    rm -rf "$run"
}
trap finish EXIT

start_postgres "$run/postgres"
redis_port=$(free_port)
redis-server --port "$redis_port" --bind 127.0.0.1 --save '' --dir "$run" >"$run/redis.log" 2>&1 &
redis=$!

# start NAME [engine flags] -- COMMAND…: as deployments run it, and waits until the image's own healthcheck is content.
start() {
    local name=$prefix-$1 flags=() began now
    shift
    while [ "$1" != -- ]; do flags+=("$1"); shift; done
    shift
    containers+=("$name")
    began=$(date +%s%3N)
    $engine run --detach --name "$name" --network host --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges \
        --memory 256m "${limits[@]}" "${flags[@]}" "$image" "$@" >/dev/null
    until $engine exec "$name" web healthcheck >/dev/null 2>&1; do
        [ "$($engine inspect --format '{{.State.Running}}' "$name")" = true ] || { echo "$name ended at once" >&2; return 1; }
        now=$(date +%s%3N)
        [ $((now - began)) -lt 60000 ] || { echo "$name is not healthy after 60 s" >&2; return 1; }
        sleep 0.05
    done
    now=$(date +%s%3N)
    confined "$name"
    printf '%-22s healthy after %5s ms, %3s MiB resident\n' "$*" $((now - began)) "$(resident "$name")"
}

status() { awk -v field="$2:" '$1 == field { print $2 }' "/proc/$($engine inspect --format '{{.State.Pid}}' "$1")/status"; }
resident() { echo $(($(status "$1" VmRSS) / 1024)); }

# expect WHAT GOT WANTED
expect() { [ "$2" = "$3" ] || { echo "$1 is '$2', not '$3'" >&2; return 1; }; }

# Held against the kernel's own account of the process, not the engine's.
confined() {
    local pid
    pid=$($engine inspect --format '{{.State.Pid}}' "$1")
    expect "$1's user" "$(status "$1" Uid)" 65532
    expect "$1's group" "$(status "$1" Gid)" 65532
    expect "$1's capabilities" "$(status "$1" CapEff)" 0000000000000000
    expect "$1's right to gain rights" "$(status "$1" NoNewPrivs)" 1
    expect "$1's root file system" "$(awk '$5 == "/" { split($6, options, ","); print options[1] }' "/proc/$pid/mountinfo" | tail -1)" ro
}

# stop NAME: SIGTERM, and 0 within the time that deployments give.
stop() {
    local began now
    began=$(date +%s%3N)
    $engine stop --time 60 "$prefix-$1" >/dev/null
    now=$(date +%s%3N)
    expect "the exit code of $1" "$($engine inspect --format '{{.State.ExitCode}}' "$prefix-$1")" 0
    printf '%-22s ended by SIGTERM with 0 after %s ms\n' "$1" $((now - began))
}

# account PORT: the first account of an instance is let in whatever its setting; sets token.
account() {
    local alice='{"handle": "alice", "password": "a long enough phrase"}'
    curl -fsS -o /dev/null -X POST "http://127.0.0.1:$1/api/users" -H 'content-type: application/json' -d "$alice"
    token=$(curl -fsS -X POST "http://127.0.0.1:$1/api/users/login" -H 'content-type: application/json' -d "$alice" |
        python3 -c 'import json, sys; print(json.load(sys.stdin)["accessToken"])')
}

# save PORT URL, with that token.
save() {
    curl -fsS -o /dev/null -X POST "http://127.0.0.1:$1/api/cards/library/urls" -H "authorization: Bearer $token" \
        -H 'content-type: application/json' -d "{\"url\": \"$2\"}"
}

# shown PORT URL: waits until the feed has it.
shown() {
    local feed
    for _ in $(seq 300); do
        feed=$(curl -fsS "http://127.0.0.1:$1/api/feeds/global")
        [[ $feed != *"$2"* ]] || return 0
        sleep 0.1
    done
    echo "$2 is not in the feed after 30 s" >&2
    return 1
}

echo "== $image: $(($($engine image inspect --format '{{.Size}}' "$image") / 1000000)) MB; ${binaries[*]}"

echo "== every binary, over PostgreSQL and Redis"
environment=(--env "DATABASE_URL=postgres://cardwire@127.0.0.1:$postgres_port/postgres" --env "REDIS_URL=redis://127.0.0.1:$redis_port"
    --env LOG_FORMAT=json --env USE_FAKE_PUBLISHERS=true --env HOST=127.0.0.1)
$engine run --rm --network host --read-only --cap-drop ALL --security-opt no-new-privileges "${limits[@]}" "${environment[@]}" "$image" web migrate >/dev/null
for binary in "${binaries[@]}"; do
    port=$(free_port)
    [ "$binary" != web ] || web_port=$port
    start "$binary" "${environment[@]}" --env "PORT=$port" --env "METRICS_PORT=$(free_port)" -- "$binary"
done
account "$web_port"
save "$web_port" https://example.com/in-a-container
shown "$web_port" https://example.com/in-a-container
for binary in "${binaries[@]}"; do stop "$binary"; done

echo "== one process over one file on a volume"
$engine volume create "$prefix-data" >/dev/null
one=(--volume "$prefix-data:/data" --env DATABASE_URL=sqlite:/data/cardwire.db --env TMPDIR=/data --env USE_FAKE_PUBLISHERS=true
    --env HOST=127.0.0.1 --env LOG_FORMAT=json)
port=$(free_port)
start one "${one[@]}" --env "PORT=$port" --env "METRICS_PORT=$(free_port)" -- web
account "$port"
save "$port" https://example.com/kept
shown "$port" https://example.com/kept
stop one
start one-again "${one[@]}" --env "PORT=$port" --env "METRICS_PORT=$(free_port)" -- web
shown "$port" https://example.com/kept
stop one-again

echo "== all of it held"
