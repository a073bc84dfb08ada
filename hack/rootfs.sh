#!/bin/bash
# rootfs.sh builds, once, the Debian 13 root filesystem that the sandbox's nodes
# boot from and that unit tests take a real ovsdb-server, ovn-northd and
# ovn-trace from, and prints its path.
#
# The path is all that goes to standard output; progress goes to standard error.
# The result lies in ${HAWSER_CACHE:-/var/cache/hawser}/rootfs-<hash>, where the
# hash covers everything that decides its content, so that a changed list makes
# a new tree and never alters one that a running sandbox stands on.
set -euo pipefail

suite=trixie
cache=${HAWSER_CACHE:-/var/cache/hawser}
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

packages=(
    # the fabric
    openvswitch-switch openvswitch-common openvswitch-pki
    ovn-central ovn-host ovn-common
    # Kubernetes: runtime, store, and what kubelet and kube-proxy call
    containerd runc etcd-server etcd-client
    iptables nftables ipset conntrack ethtool kmod socat mount util-linux
    # what a person at a node needs, and what the agnhost image borrows
    iproute2 tcpdump iputils-ping iputils-arping iperf3 procps netcat-openbsd
    # what runs beside us on real hosts, and stands on physical networks: VRRP,
    # and a server of DHCP and router advertisements (busybox has the client)
    keepalived dnsmasq-base
    openssl ca-certificates curl bind9-dnsutils dash bash busybox-static
)
# Documentation and translations are a third of the tree and nobody reads them there.
excluded=('/usr/share/man/*' '/usr/share/doc/*' '/usr/share/locale/*' '/usr/share/info/*')

say() { echo "rootfs: $*" >&2; }

# hash names the tree; the leading number is raised when the recipe itself changes.
hash() { printf '%s\n' 1 "$suite" "${packages[@]}" "${excluded[@]}" | sha256sum | cut -c1-12; }

# need_builder installs mmdebstrap and the archive's keys where they are missing.
need_builder() {
    command -v mmdebstrap >/dev/null && [ -r "$keyring" ] && return
    [ "$(id -u)" = 0 ] || { say "mmdebstrap is missing and only root can install it: run 'sudo apt-get install mmdebstrap debian-archive-keyring'"; exit 1; }
    say "installing mmdebstrap"
    export DEBIAN_FRONTEND=noninteractive
    { apt-get update -q && apt-get install -qy --no-install-recommends mmdebstrap debian-archive-keyring; } >&2 ||
        { say "mmdebstrap cannot be installed: see the lines above, then run 'apt-get install mmdebstrap debian-archive-keyring' by hand"; exit 1; }
}

# build makes the tree beside its place and renames it, so that a half-built one is never found.
build() {
    local target=$1
    local options=(--variant=apt --mode=root --architectures=amd64 --keyring="$keyring" --aptopt='APT::Install-Recommends "false"')
    for path in "${excluded[@]}"; do options+=(--dpkgopt="path-exclude=$path"); done
    rm -rf "$target".tmp.*
    tmp=$target.tmp.$$
    trap 'rm -rf "$tmp"' EXIT
    say "building $target (about a minute)"
    mmdebstrap "${options[@]}" --include="$(IFS=,; echo "${packages[*]}")" "$suite" "$tmp" >&2
    mv -T "$tmp" "$target"
}

target=$cache/rootfs-$(hash)
mkdir -p "$cache"
if [ ! -d "$target" ]; then
    [ "$(id -u)" = 0 ] || { say "root is needed to build $target: run 'sudo $0'"; exit 1; }
    exec 9>"$target.lock"
    flock -n 9 || { say "waiting for another builder of $target"; flock 9; }
    if [ ! -d "$target" ]; then
        need_builder
        build "$target"
    fi
fi
echo "$target"
