#!/bin/bash
# Builds the Dockerfile with Debian's buildah, says how large the image is, and tries what is in it.
# Where there is no registry to take debian:12-slim from, debootstrap makes a base in its place.
#
# Usage: build_image.sh [IMAGE_NAME]     needs root; leaves nothing behind but what IMAGE_NAME names
set -euo pipefail

name=${1:-}
root=$(cd "$(dirname "$0")/../.." && pwd)
folder=$(mktemp -d)
# A storage of its own: no image of the machine is read, changed or left behind.
buildah() {
    command buildah --root "$folder/storage" --runroot "$folder/run" --storage-driver vfs "$@"
}
finish() {
    # Its own containers are mounts and folders of other owners.
    buildah rm --all >/dev/null 2>&1 || true
    rm -rf "$folder"
}
trap finish EXIT

# What debian:12-slim is: minbase without documents and translations.
make_base() {
    debootstrap --variant=minbase bookworm "$folder/base" ${DEBIAN_MIRROR:+"$DEBIAN_MIRROR"} >"$folder/log"
    rm -rf "$folder"/base/usr/share/{doc,man,info,locale,groff,lintian,linda} \
        "$folder"/base/var/lib/apt/lists/* "$folder"/base/var/cache/apt/* "$folder"/base/var/log/*
    cat >"$folder/base/etc/dpkg/dpkg.cfg.d/slim" <<'END'
path-exclude /usr/share/doc/*
path-include /usr/share/doc/*/copyright
path-exclude /usr/share/man/*
path-exclude /usr/share/info/*
path-exclude /usr/share/locale/*
END
    local container
    container=$(buildah from scratch)
    buildah add -q "$container" "$folder/base" /
    buildah config --cmd bash "$container"
    buildah commit -q "$container" debian:12-slim
    buildah rm "$container" >/dev/null
    rm -rf "$folder/base"
}

buildah pull -q debian:12-slim >/dev/null 2>&1 || make_base
# chroot: the steps run without namespaces of their own, which a container often may not make.
buildah bud -q --pull-never --isolation chroot --format docker -t classifyd "$root" >"$folder/id"

container=$(buildah from --pull-never classifyd)
rootfs=$(buildah mount "$container")
echo "base: $(buildah images -n --format '{{.Size}}' debian:12-slim)"
echo "image: $(du -sm --apparent-size "$rootfs" | cut -f1) MB unpacked," \
    "$(tar -C "$rootfs" -c . | gzip -9 | wc -c | awk '{printf "%.1f", $1 / 1e6}') MB compressed (gzip)"
[ -z "$name" ] || buildah push -q classifyd "$name"

[ "$(buildah inspect --format '{{.OCIv1.Config.User}}' classifyd)" = 65532:65532 ]
buildah copy -q "$container" "$root/config/demo/sample.jpg" /tmp/sample.jpg >/dev/null
port=$(python3 -c 'import socket; print(socket.create_server(("127.0.0.1", 0)).getsockname()[1])')
mapfile -d '' -t health_check < <(buildah inspect --type image classifyd | python3 -c '
import json, sys
kind, *words = json.load(sys.stdin)["Docker"]["config"]["Healthcheck"]["Test"]
assert kind == "CMD"
print("\0".join(words), end="\0")')
# Judged inside: buildah may lose the last output of a command. The health check asks again and
# again, as Docker does.
buildah run --isolation chroot --env CLASSIFYD_SERVER_PORT="$port" "$container" -- bash -ec '
    [ "$(id -u)" = 65532 ]
    ! touch /forbidden 2>/dev/null
    classifyd --version | grep "kernels.*OpenBLAS"
    classifyd classify /tmp/sample.jpg | grep -q "golf ball"
    ! "$@" 2>/dev/null
    classifyd serve --set server.drain_delay_ms=0 &
    for attempt in {1..50}; do
        ! "$@" 2>/dev/null || break
        sleep 1
    done
    "$@"
    kill %1
    wait %1' check "${health_check[@]}"
echo "the image works"
