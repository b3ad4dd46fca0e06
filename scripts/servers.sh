# Sourced by the other scripts: what they build, and installing and starting the servers that Cardwire needs.

# What cargo builds for all tests: one set of packages and features, so that no script builds again what another has built.
every_test=(--workspace --locked --features
    cardwire-apptest/real-pds,cardwire-atproto/real-pds,cardwire-web/browser-tests,cardwire-web/real-pds,cardwire-workers/real-pds)

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }
can_install() { command -v apt-get >/dev/null && { [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }; }

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

postgres_bin() {
    local server
    server=$(compgen -G '/usr/lib/postgresql/*/bin/postgres' | sort -V | tail -1 || true)
    [ -n "$server" ] || server=$(command -v postgres || true)
    [ -n "$server" ] && dirname "$server"
}

is_there() {
    case "$1" in
        postgres) [ -n "$(postgres_bin)" ] ;;
        libfaketime) compgen -G '/usr/lib/*/faketime/libfaketimeMT.so.1' >/dev/null ;;
        *) command -v "$1" >/dev/null ;;
    esac
}

# need PROGRAM PACKAGE [HINT]: installs the package through the system's package manager where PROGRAM is missing.
need() {
    is_there "$1" && return
    if ! can_install; then
        echo "$1 is missing. Install the package $2 (Debian, Ubuntu: sudo apt-get install $2)${3:+, or $3}." >&2
        exit 1
    fi
    echo "installing $2, which provides $1"
    as_root apt-get update -qq
    # Only the programs are wanted: no service is started.
    as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends "$2" >/dev/null
}

need_nextest() {
    cargo nextest --version >/dev/null 2>&1 && return
    echo "installing cargo-nextest, which runs the tests"
    cargo install cargo-nextest --locked
}

# A browser without a screen, and what drives it.
need_browser() {
    need chromium chromium
    need chromedriver chromium-driver
}

# PostgreSQL refuses to run as root: then it runs as the user postgres, in a folder of theirs.
as_postgres() { if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi; }

# start_postgres FOLDER [OPTIONS]: makes a cluster in FOLDER unless there is one; sets postgres_port.
start_postgres() {
    local folder=$1 options=${2:-} bin
    bin=$(postgres_bin)
    mkdir -p "$folder"
    if [ "$(id -u)" = 0 ]; then chown postgres "$folder"; fi
    chmod 700 "$folder"
    if [ ! -f "$folder/PG_VERSION" ]; then
        (cd / && as_postgres "$bin/initdb" -D "$folder" -U cardwire -A trust --encoding=UTF8 --no-instructions >/dev/null)
    fi
    postgres_port=$(free_port)
    (cd / && as_postgres "$bin/pg_ctl" -D "$folder" -w -l "$folder/server.log" \
        -o "-p $postgres_port -c listen_addresses=127.0.0.1 -c unix_socket_directories='' $options" start >/dev/null) || {
        echo "PostgreSQL does not start: see $folder/server.log" >&2
        exit 1
    }
}

stop_postgres() { (cd / && as_postgres "$(postgres_bin)/pg_ctl" -D "$1" -m fast -w stop >/dev/null 2>&1) || true; }
