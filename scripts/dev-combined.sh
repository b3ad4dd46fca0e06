#!/usr/bin/env bash
# All of Cardwire on this machine: PostgreSQL, Redis, web and the workers, their logs side by side.
#
#   FEED_WORKERS=3 scripts/dev-combined.sh     several feed-workers
#   DATABASE_URL=… REDIS_URL=…                 use these servers instead of starting some
#   PORT=8080                                  where web listens
#
# A worker that dies is started again after a second. Everything ends on Ctrl-C, or when web dies, and nothing is left behind;
# only what local servers stored stays, in .dev/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/servers.sh
root=$PWD
state="${CARDWIRE_DEV_DIR:-$root/.dev}"
bin="${CARGO_TARGET_DIR:-$root/target}/debug"
feed_workers="${FEED_WORKERS:-1}"
[[ "$feed_workers" =~ ^[1-9][0-9]?$ ]] || { echo "FEED_WORKERS must be from 1 to 99, not '$feed_workers'" >&2; exit 2; }

say() { printf '\033[1m%s\033[0m\n' "$*"; }
die() { echo "$*" >&2; exit 1; }

pids=()          # what we started and must stop, in order
compose_started=
pg_data=
stopping=
stop_all() {
    [ -n "$stopping" ] && return
    stopping=1
    trap '' INT TERM
    say "stopping"
    local pid
    for pid in "${pids[@]}"; do kill -TERM "$pid" 2>/dev/null || true; done
    for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
    [ -n "$redis_pid" ] && { kill -TERM "$redis_pid" 2>/dev/null || true; wait "$redis_pid" 2>/dev/null || true; }
    [ -n "$pg_data" ] && stop_postgres "$pg_data"
    [ -n "$compose_started" ] && docker compose -f docker/compose.yaml stop >/dev/null 2>&1 || true
}
redis_pid=
trap stop_all EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

start_local_postgres() {
    need postgres postgresql "set DATABASE_URL"
    # The user postgres may not be able to read our folder.
    local folder="$state/postgres"
    if [ "$(id -u)" = 0 ]; then folder="${CARDWIRE_DEV_DIR:-/var/tmp/cardwire-dev}/postgres"; fi
    start_postgres "$folder"
    # Only now is it ours to stop: it does not start where another one runs.
    pg_data=$folder
    local psql=("$(postgres_bin)/psql" -q -h 127.0.0.1 -p "$postgres_port" -U cardwire -d postgres -tAc)
    "${psql[@]}" "SELECT 1 FROM pg_database WHERE datname = 'cardwire'" | grep -q 1 || "${psql[@]}" "CREATE DATABASE cardwire"
    export DATABASE_URL="postgres://cardwire@127.0.0.1:$postgres_port/cardwire"
    say "PostgreSQL at $DATABASE_URL (data in $pg_data)"
}

start_redis() {
    need redis-server redis-server "set REDIS_URL"
    local port
    port=$(free_port)
    mkdir -p "$state/redis"
    # In a session of its own, so that Ctrl-C reaches it only after the workers are done.
    setsid redis-server --port "$port" --bind 127.0.0.1 --dir "$state/redis" --appendonly yes --appendfsync everysec \
        --maxmemory-policy noeviction --save '' >"$state/redis/server.log" 2>&1 &
    redis_pid=$!
    for _ in $(seq 100); do
        redis-cli -p "$port" ping 2>/dev/null | grep -q PONG && break
        kill -0 "$redis_pid" 2>/dev/null || die "Redis does not start: see $state/redis/server.log"
        sleep 0.1
    done
    export REDIS_URL="redis://127.0.0.1:$port"
    say "Redis at $REDIS_URL (data in $state/redis)"
}

start_services() {
    if [ -z "${DATABASE_URL:-}" ] && [ -z "${REDIS_URL:-}" ] && docker info >/dev/null 2>&1; then
        docker compose -f docker/compose.yaml up -d --wait postgres redis
        compose_started=1
        export DATABASE_URL=postgres://cardwire:cardwire@127.0.0.1:5432/cardwire REDIS_URL="redis://:${REDIS_PASSWORD:-cardwire}@127.0.0.1:6379"
        return
    fi
    [ -n "${DATABASE_URL:-}" ] || start_local_postgres
    [ -n "${REDIS_URL:-}" ] || start_redis
}

colour=1
# launch NAME KEEP COMMAND…: its log with a coloured prefix; with KEEP=keep it is started again when it dies.
launch() {
    local name=$1 keep=$2 tint=$((31 + colour % 6))
    shift 2
    colour=$((colour + 1))
    (
        set +e
        child=
        quit=
        trap 'quit=1; [ -n "$child" ] && kill -TERM "$child" 2>/dev/null' TERM
        trap '' INT
        while :; do
            setsid "$@" > >(while IFS= read -r line; do printf '\033[%sm%-18s\033[0m %s\n' "$tint" "$name" "$line"; done) 2>&1 &
            child=$!
            wait "$child"; code=$?
            # A trapped signal ends `wait` early: wait for the process itself.
            while kill -0 "$child" 2>/dev/null; do wait "$child"; code=$?; done
            [ -n "$quit" ] && exit "$code"
            printf '\033[%sm%-18s\033[0m \033[1mended with code %s\033[0m\n' "$tint" "$name" "$code"
            # A wrong setting does not mend itself.
            { [ "$keep" != keep ] || [ "$code" = 78 ]; } && exit "$code"
            sleep 1
            [ -n "$quit" ] && exit "$code"
            printf '\033[%sm%-18s\033[0m \033[1mis started again\033[0m\n' "$tint" "$name"
        done
    ) &
    pids+=($!)
}

export APP_ENV=development LOG_FORMAT="${LOG_FORMAT:-pretty}" PORT="${PORT:-8080}" METRICS_PORT="${METRICS_PORT:-9091}"
export USE_MOCK_AUTH="${USE_MOCK_AUTH:-false}" USE_FAKE_PUBLISHERS="${USE_FAKE_PUBLISHERS:-false}"
export USE_IN_MEMORY_EVENTS=false USE_MOCK_REPOS=false
# Everybody may sign up here.
export APP__REGISTRATION="${APP__REGISTRATION:-open}"

say "building"
cargo build --quiet --bins
mkdir -p "$state"
start_services
"$bin/web" migrate

launch web once "$bin/web"
web_pid=${pids[0]}
metrics=$METRICS_PORT
for n in $(seq "$feed_workers"); do
    metrics=$((metrics + 1))
    METRICS_PORT=$metrics launch "feed-worker.$n" keep "$bin/feed-worker"
done
for worker in search-worker analytics-worker record-worker; do
    metrics=$((metrics + 1))
    METRICS_PORT=$metrics launch "$worker" keep "$bin/$worker"
done
say "Cardwire starts at http://127.0.0.1:$PORT (API docs: /api/docs; metrics on ports $METRICS_PORT to $metrics). Ctrl-C stops it."

code=0
wait "$web_pid" || code=$?
say "web has ended (code $code)"
exit "$code"
