#!/bin/bash
# Checks whether the service is ready: exit code 0 if /health/ready answers 200, else 1 and a line on standard error.
# Uses only bash, which starts in some milliseconds; Python may need seconds on a busy machine.
# Reads address and port as the service does: flags of its process, then the environment, then the TOML file.
#   usage: health-check.sh [PROCESS_ID]     default 1, the first process of the container

flag() { # prints the value of the last --NAME VALUE or --NAME=VALUE in the arguments of the process
    local i
    for ((i = ${#arguments[@]} - 1; i >= 0; i--)); do
        case ${arguments[i]} in
            "--$1") printf %s "${arguments[i + 1]}"; return ;;
            "--$1="*) printf %s "${arguments[i]#*=}"; return ;;
        esac
    done
}

from_file() { # prints the value of a NAME = VALUE line in the TOML file
    local line
    [[ -r $config ]] || return
    while IFS= read -r line || [[ -n $line ]]; do
        if [[ $line =~ ^[[:space:]]*$1[[:space:]]*=[[:space:]]*[\"\']?([^\"\'#[:space:]]+) ]]; then
            printf %s "${BASH_REMATCH[1]}"
        fi
    done < "$config"
}

fail() {
    echo "not ready: $1" >&2
    exit 1
}

mapfile -d '' -t arguments < "/proc/${1:-1}/cmdline"
config=$(flag config)
config=${config:-$OBSCURA_BACKUP_CONFIG}
port=$OBSCURA_BACKUP_PORT
[[ $port == *://* ]] && port= # set by Kubernetes for a Service called obscura-backup
found=$(flag port)
port=${found:-${port:-$(from_file port)}}
found=$(flag host)
host=${found:-${OBSCURA_BACKUP_HOST:-$(from_file host)}}
case $host in
    '' | 0.0.0.0) host=127.0.0.1 ;;
    ::) host=::1 ;;
esac

exec 3<> "/dev/tcp/$host/${port:-8400}" || fail "nothing listens"
printf 'GET /health/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&3
IFS= read -r -t 4 status <&3 || fail "no answer within 4 s"
[[ $status == 'HTTP/1.1 200 '* ]] || fail "${status%$'\r'}"
