#!/bin/sh
# start.sh ADDRESS: one node, which the others reach there.
set -eu
exec redis-server /etc/cardwire/redis.conf --cluster-announce-ip "$1" \
    --requirepass "$REDIS_PASSWORD" --masterauth "$REDIS_PASSWORD"
