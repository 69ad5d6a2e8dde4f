#!/usr/bin/env bash
# Docker for the tests on a machine that has neither an engine nor a registry of images (Debian, as root).
#   engine.sh start    starts an engine, makes its images, and prints the variables that the tests and compose.yaml read
#   engine.sh stop     stops this engine; its programs and images stay for the next start
# Where Docker answers already, `start` only builds the MinIO image, and the tests use the official images.
# Everything is in one folder, below OBSCURA_TEST_CACHE or else ~/.cache/obscura-backup.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
home=${OBSCURA_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/obscura-backup}/docker
run=/run/obscura-backup-docker # short, because the path of a socket has at most 107 bytes
authorities=/etc/ssl/certs/ca-certificates.crt
suite=trixie
in_base=ca-certificates,python3-pip,python3-venv
programs=(docker.io containerd docker-cli docker-buildx docker-compose)
base=obscura-backup-test-base:local
go=obscura-backup-test-go:local
postgres=obscura-backup-test-postgres:local

say() { echo "engine: $*" >&2; }

install_missing() {
    local missing=() name
    for name in iptables mmdebstrap runc; do
        command -v "$name" > /dev/null || missing+=("$name")
    done
    ((${#missing[@]})) || return 0
    say "installing ${missing[*]}"
    local install=(apt-get install --yes --quiet --no-install-recommends -o DPkg::Lock::Timeout=300 "${missing[@]}")
    export DEBIAN_FRONTEND=noninteractive
    "${install[@]}" >&2 || { apt-get update --quiet >&2 && "${install[@]}" >&2; }
}

# Makes the base of all images, in place of python:3.13-slim and debian:slim, and unpacks Docker's programs, of which
# Debian 12 has no Compose 2. Both are made anew when this recipe changes. The base trusts the authorities of this machine.
make_base() {
    local recipe program
    recipe=$({ declare -f make_base; echo "$suite $in_base ${programs[*]}"; cat "$authorities"; } | sha256sum)
    if [[ $(cat "$home/recipe" 2> /dev/null) == "$recipe" ]]; then return; fi
    say "making $base"
    stop_engine
    rm -rf "$home"
    mkdir -p "$home/programs" "$home/config"
    mmdebstrap --quiet --variant=minbase --include="$in_base" \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' \
        --aptopt='Dir::Cache::pkgcache ""' --aptopt='Dir::Cache::srcpkgcache ""' \
        --customize-hook="copy-in $authorities $(dirname "$authorities")" \
        --customize-hook="mkdir \"\$1/packages\" && chroot \"\$1\" sh -c 'cd packages && apt-get download -qq ${programs[*]}'" \
        --customize-hook="copy-out /packages $home" \
        --customize-hook='rm -r "$1/packages"' \
        "$suite" "$home/base.tar"
    for program in "$home"/packages/*.deb; do dpkg -x "$program" "$home/programs"; done
    ln -s ../programs/usr/libexec/docker/cli-plugins "$home/config/cli-plugins"
    echo "$recipe" > "$home/recipe"
}

import_base() {
    if docker image inspect "$base" > /dev/null 2>&1; then return; fi
    docker import --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
        "$home/base.tar" "$base" > /dev/null
}

engine_id() { # prints the process id of the running engine
    local id
    id=$(cat "$run/docker.pid" 2> /dev/null) && [[ $(cat "/proc/$id/comm" 2> /dev/null) == dockerd ]] && echo "$id"
}

start_engine() {
    engine_id > /dev/null && return
    mkdir -p "$run" "$home/data"
    # A port that is published without an address gets 127.0.0.1.
    setsid dockerd --host "$DOCKER_HOST" --data-root "$home/data" --exec-root "$run/exec" --pidfile "$run/docker.pid" \
        --ip 127.0.0.1 > "$home/engine.log" 2>&1 < /dev/null &
    local tries
    for ((tries = 0; tries < 300; tries++)); do
        if docker version > /dev/null 2>&1; then
            remove_containers
            return
        fi
        sleep 0.2
    done
    tail -n 20 "$home/engine.log" >&2
    say "the engine did not start; its log is $home/engine.log"
    return 1
}

remove_containers() { # also those that a killed run left behind
    docker ps --all --quiet | xargs --no-run-if-empty docker rm --force --volumes > /dev/null
    docker volume ls --quiet | xargs --no-run-if-empty docker volume rm --force > /dev/null
    docker network prune --force > /dev/null
}

stop_engine() {
    local id
    id=$(engine_id) || return 0
    kill "$id"
    while [[ $(engine_id) == "$id" ]]; do sleep 0.1; done
}

build() { # build IMAGE ARGUMENT...: `docker build`; its output is shown only if it fails
    say "building $1"
    local log="$home/build-${1%:*}.log"
    docker build --tag "$@" > "$log" 2>&1 || {
        tail -n 40 "$log" >&2
        say "building $1 failed; its log is $log"
        return 1
    }
    say "built $1"
}

build_minio() {
    build obscura-backup-minio:local "$@" "$root/deploy/minio"
}

build_minio_on_base() { # by the Go of the base's distribution
    build "$go" - << EOF
FROM $base
RUN apt-get update && apt-get install --yes --no-install-recommends golang-go && rm -rf /var/lib/apt/lists/*
ENV GOPATH=/go GOTOOLCHAIN=local
EOF
    build_minio --build-arg GO_IMAGE="$go" --build-arg DEBIAN_IMAGE="$base"
    keep_minio_program
}

keep_minio_program() { # for the tests that run MinIO as a program, which would build it once more
    local version program id
    version=$(sed -n 's/^ARG MINIO_VERSION=//p' "$root/deploy/minio/Dockerfile")
    program=${OBSCURA_TEST_CACHE:-$root/.cache}/go-bin/minio-${version##*-}
    if [[ -e $program ]]; then return; fi
    mkdir -p "$(dirname "$program")"
    id=$(docker create obscura-backup-minio:local)
    docker cp "$id:/usr/local/bin/minio" "$program.copy" > /dev/null
    docker rm "$id" > /dev/null
    mv "$program.copy" "$program"
}

build_service() { # the test of compose.yaml then finds the layers of both images
    build obscura-backup-admin:local --build-arg PYTHON_IMAGE="$base" --target admin "$root"
    build obscura-backup:local --build-arg PYTHON_IMAGE="$base" "$root"
}

build_postgres() {
    build "$postgres" --build-arg DEBIAN_IMAGE="$base" "$here/postgres"
}

make_images() {
    import_base
    local job jobs=()
    build_minio_on_base & jobs+=($!)
    { build_postgres; build_service; } & jobs+=($!)
    for job in "${jobs[@]}"; do wait "$job" || return 1; done
}

case ${1:-} in
    start)
        if docker version > /dev/null 2>&1; then
            mkdir -p "$home"
            build_minio
            exit
        fi
        export DOCKER_HOST="unix://$run/docker.sock" DOCKER_CONFIG="$home/config"
        export PATH="$home/programs/usr/bin:$home/programs/usr/sbin:$PATH"
        install_missing
        make_base
        start_engine
        make_images
        printf 'export %s\n' "DOCKER_HOST=$DOCKER_HOST" "DOCKER_CONFIG=$DOCKER_CONFIG" "PATH='$PATH'" \
            "PYTHON_IMAGE=$base" "DEBIAN_IMAGE=$base" "GO_IMAGE=$go" "POSTGRES_IMAGE=$postgres"
        ;;
    stop)
        stop_engine
        ;;
    *)
        echo 'usage: engine.sh start | stop' >&2
        exit 2
        ;;
esac
