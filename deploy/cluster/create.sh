#!/bin/sh
# create.sh ADDRESS:PORT...: makes one cluster of these nodes, half of them masters, unless it is made already.
set -eu
export REDISCLI_AUTH="$REDIS_PASSWORD"

ask() { node=$1; shift; redis-cli -h "${node%:*}" -p "${node##*:}" "$@"; }

for node in "$@"; do
    tries=0
    until [ "$(ask "$node" ping 2>/dev/null)" = PONG ]; do
        tries=$((tries + 1))
        if [ $tries -gt 60 ]; then echo "$node does not answer" >&2; exit 1; fi
        sleep 1
    done
done

if ask "$1" cluster info | grep -q '^cluster_slots_assigned:16384'; then exit 0; fi
# It would wait for ever for nodes that cannot reach each other.
timeout 60 redis-cli --cluster create "$@" --cluster-replicas 1 --cluster-yes
