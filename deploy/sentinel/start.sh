#!/bin/sh
# start.sh redis NAME ["MASTER PORT"] | start.sh sentinel NAME
#
# Sentinels write what they learn into their own file, and into those of Redis who is master now. So each node has a copy of its own,
# and one that is started again goes on in its last role.
set -eu
kind=$1 name=$2 master=${3:-} file=/data/$1.conf

case "$REDIS_PASSWORD$REDIS_SENTINEL_PASSWORD" in
*[!A-Za-z0-9._~-]*)
    echo "passwords may have letters, digits and . _ ~ - only: Sentinel writes them back into its file without quotes" >&2
    exit 1
    ;;
esac

if [ ! -f "$file" ]; then
    umask 077
    cp "/etc/cardwire/$kind.conf" "$file.new"
    chmod u+w "$file.new"
    {
        echo
        if [ "$kind" = redis ]; then
            echo "requirepass $REDIS_PASSWORD"
            echo "masterauth $REDIS_PASSWORD"
            echo "replica-announce-ip $name"
            if [ -n "$master" ]; then echo "replicaof $master"; fi
        else
            echo "requirepass $REDIS_SENTINEL_PASSWORD"
            echo "sentinel auth-pass mymaster $REDIS_PASSWORD"
            echo "sentinel announce-ip $name"
        fi
    } >>"$file.new"
    mv "$file.new" "$file"
fi

if [ "$kind" = sentinel ]; then exec redis-server "$file" --sentinel; fi
exec redis-server "$file"
