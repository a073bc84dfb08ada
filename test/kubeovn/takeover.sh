#!/bin/bash
# takeover.sh takes a NIC over, and gives it back, in the steps and in the order in
# which Kube-OVN's daemon does: what a node looks like where one ran, and what to
# measure against. It is written after the daemon's observed behaviour and is none
# of its code.
#
#   takeover.sh take PROVIDER NIC [exchange] [VLAN...]
#   takeover.sh give PROVIDER NIC [exchange]
#
# VLANs are those of sub-interfaces NIC.VLAN, which are preserved as internal ports.
# DATAPATH=netdev makes the bridge one of the userspace datapath. ip and ovs-vsctl
# are taken from PATH.
set -euo pipefail

usage() { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2; }
[ $# -ge 3 ] || usage
verb=$1 provider=$2 nic=$3 exchange=false
shift 3
if [ "${1:-}" = exchange ]; then exchange=true; shift; fi

bridge=br-$provider
device=$nic
if $exchange; then bridge=$nic device=br-$provider; fi

mac() { ip -o link show "$1" | sed 's/.*link\/ether \([^ ]*\).*/\1/'; }
# The words of `ip address add` for what a device has; labels and lifetimes are lost.
addresses() { ip -o address show dev "$1" scope global | awk '{print $4}'; }
# Routes of the main table, those to the link before those to gateways.
routes() {
    for family in -4 -6; do
        ip $family route show dev "$1" scope link 2>/dev/null | grep -v '^fe80::/64' | sed "s/^/$family /" || true
        ip $family route show dev "$1" 2>/dev/null | grep via | sed "s/^/$family /" || true
    done
}
set_routes() { # DEVICE, lines of routes on standard input
    local family rest
    while read -r family rest; do
        rest=${rest// linkdown/}
        # shellcheck disable=SC2086 # words
        ip $family route replace ${rest/ proto kernel/} dev "$1" || true
    done
}

rename() { # OLD NEW: down, rename, up; the kernel forgets addresses of IPv6 and routes
    local kept_addresses kept_routes address
    kept_addresses=$(addresses "$1") kept_routes=$(routes "$1")
    ip link set "$1" down
    ip link set "$1" name "$2"
    ip link set "$2" up
    sleep 0.05
    for address in $kept_addresses; do ip address replace "$address" dev "$2"; done
    set_routes "$2" <<<"$kept_routes"
}

transfer() { # FROM TO: each address is deleted on one and put on the other
    local kept_routes address
    kept_routes=$(routes "$1")
    for address in $(addresses "$1"); do
        ip address del "$address" dev "$1" 2>/dev/null || true # gone with its primary
        ip address replace "$address" dev "$2"
    done
    echo "$kept_routes" >"${TMPDIR:-/tmp}/kube-ovn-routes.$$"
}

routes_to() {
    set_routes "$1" <"${TMPDIR:-/tmp}/kube-ovn-routes.$$"
    rm -f "${TMPDIR:-/tmp}/kube-ovn-routes.$$"
}

preserve() { # VLAN: an internal port of the bridge in the place of the sub-interface
    local port=$bridge-vlan$1 from=$nic.$1
    ovs-vsctl --may-exist add-port "$bridge" "$port" tag="$1" -- set interface "$port" type=internal \
        -- set port "$port" external_ids:vendor=kube-ovn external_ids:provider-vlan-interface="$from"
    ip link set "$port" up
    for address in $(addresses "$from"); do
        ip address replace "$address" dev "$port"
        ip address del "$address" dev "$from"
    done
}

take() {
    if $exchange; then rename "$nic" "$device"; fi
    ovs-vsctl --may-exist add-br "$bridge" \
        -- set bridge "$bridge" external_ids:vendor=kube-ovn external_ids:exchange-link-name=$exchange ${DATAPATH:+datapath_type="$DATAPATH"}
    ovs-vsctl set open . external_ids:ovn-bridge-mappings="$provider:$bridge"
    transfer "$device" "$bridge"
    ovs-vsctl set bridge "$bridge" other_config:hwaddr="\"$(mac "$device")\""
    ip link set "$bridge" up
    routes_to "$bridge"
    ip link set "$device" up
    ovs-vsctl --may-exist add-port "$bridge" "$device" -- set port "$device" external_ids:vendor=kube-ovn trunks="$(IFS=,; echo "0${*:+,$*}")"
    for vlan in "$@"; do preserve "$vlan"; done
}

give() {
    ovs-vsctl --if-exists del-port "$bridge" "$device"
    transfer "$bridge" "$device"
    ip link set "$device" up
    routes_to "$device"
    ip link set "$bridge" down
    ovs-vsctl del-br "$bridge" -- remove open . external_ids ovn-bridge-mappings
    if $exchange; then rename "$device" "$nic"; fi
}

case $verb in
    take) take "$@" ;;
    give) give ;;
    *) usage ;;
esac
