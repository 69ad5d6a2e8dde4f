#!/bin/bash
# Creates the data at the first start, from POSTGRES_USER, POSTGRES_PASSWORD and POSTGRES_DB, then runs the command.
set -euo pipefail

if [[ $(id -u) == 0 ]]; then
    install --directory --owner postgres --group postgres "$(dirname "$PGDATA")" # a new volume belongs to root
    exec setpriv --reuid postgres --regid postgres --init-groups "$0" "$@"
fi

user=${POSTGRES_USER:-postgres}
database=${POSTGRES_DB:-$user}
if [[ ! -e $PGDATA ]]; then
    new=$PGDATA.new
    rm -rf "$new" # of a start that was killed
    initdb --pgdata "$new" --username "$user" --pwfile <(echo "$POSTGRES_PASSWORD") --auth-local trust \
        --auth-host scram-sha-256 --encoding UTF8 --locale C.UTF-8
    echo 'host all all all scram-sha-256' >> "$new/pg_hba.conf"
    if [[ $database != postgres ]]; then
        postgres --single -D "$new" postgres <<< "CREATE DATABASE \"$database\""
    fi
    mv "$new" "$PGDATA"
fi
exec "$@"
