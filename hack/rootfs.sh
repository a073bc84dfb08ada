#!/bin/bash
# rootfs.sh builds, once, the Debian 13 root filesystem that the sandbox's nodes
# boot from and that unit tests take a real ovsdb-server, ovn-northd and
# ovn-trace from, and prints its path.
#
# The path is all that goes to standard output.
set -euo pipefail
# shellcheck source=hack/debian.sh
. "$(dirname "$0")/debian.sh"

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

# hash names the tree; the leading number is raised when the recipe itself changes.
hash() { printf '%s\n' 1 "$suite" "${packages[@]}" "${excluded[@]}" | sha256sum | cut -c1-12; }

build() { debian apt "$1" "${packages[@]}"; }

target=$cache/rootfs-$(hash)
once "$target" "a minute"
echo "$target"
