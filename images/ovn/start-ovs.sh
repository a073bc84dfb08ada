#!/bin/bash
# start-ovs.sh runs Open vSwitch and ovn-controller on a node: ovsdb-server,
# ovs-vswitchd, ovn-controller.
#
#   OVN_DB_IPS       addresses of the southbound database, comma separated
#   KUBE_NODE_NAME   this node
#   OVS_DATAPATH     kernel, userspace, or auto: kernel where it has openvswitch
#   ENABLE_SSL       true: speak TLS with the files in /var/run/tls
#   OVN_REMOTE_PROBE_INTERVAL   milliseconds, default 10000
#   OVN_SB_PORT      default 6642
#
# Ending the container leaves the kernel's datapath and its flows, the bridges
# and the node's chassis as they are; starting it again takes them over.
set -euo pipefail
# shellcheck source=images/ovn/daemons.sh
. "${BASH_SOURCE%/*}/daemons.sh"

database=/etc/openvswitch/conf.db
schema=/usr/share/openvswitch/vswitch.ovsschema
socket=/run/openvswitch/db.sock

vsctl() { ovs-vsctl --no-wait --timeout=10 "$@"; }

# --- which datapath -------------------------------------------------------

kernel_has_openvswitch() { [ -d /sys/module/openvswitch ] || modprobe openvswitch 2>/dev/null; }

choose_datapath() {
    datapath=${OVS_DATAPATH:-auto}
    if [ "$datapath" = auto ]; then
        if kernel_has_openvswitch; then datapath=kernel; else datapath=userspace; fi
    fi
    case $datapath in
        kernel) kernel_has_openvswitch ||
            die "this kernel has no module openvswitch: install it, or set ovs.datapath to auto or userspace" ;;
        userspace) : 2>/dev/null <>/dev/net/tun ||
            die "/dev/net/tun cannot be opened, which the userspace datapath needs: run 'modprobe tun' on the node" ;;
        *) die "OVS_DATAPATH is '$datapath': it must be auto, kernel or userspace" ;;
    esac
    say "datapath: $datapath"
}

# --- the local database ---------------------------------------------------

# prepare_database keeps what is there. Agent and controller write its content
# anew from Kubernetes, so one that a power cut made unreadable is set aside.
prepare_database() {
    mkdir -p /etc/openvswitch /run/openvswitch
    if [ -e "$database" ] && ! ovsdb-tool db-version "$database" >/dev/null; then
        say "$database cannot be read: moved to $database.unreadable"
        mv "$database" "$database.unreadable"
    fi
    [ -e "$database" ] || ovsdb-tool create "$database" "$schema"
    if [ "$(ovsdb-tool needs-conversion "$database" "$schema")" = yes ]; then
        say "converting $database to schema $(ovsdb-tool schema-version "$schema")"
        ovsdb-tool convert "$database" "$schema"
    fi
}

system_id() {
    local file=/etc/openvswitch/system-id.conf
    [ -s "$file" ] || cat /proc/sys/kernel/random/uuid >"$file"
    cat "$file"
}

# settings must be there before vswitchd starts. What they name is ours; the
# agent adds the encapsulation, which it knows and we do not.
settings() {
    local type=system offload=(remove Open_vSwitch . other_config userspace-tso-enable)
    if [ "$datapath" = userspace ]; then
        type=netdev
        # Without it TCP never connects unless every sender's offload is turned off.
        offload=(set Open_vSwitch . other_config:userspace-tso-enable=true)
    fi
    vsctl init -- set Open_vSwitch . \
        ovs-version="$(ovs-vswitchd --version | sed -n '1s/.* //p')" \
        external_ids:system-id="$(system_id)" \
        external_ids:hostname="$KUBE_NODE_NAME" \
        external_ids:ovn-remote="\"$(endpoints "${OVN_SB_PORT:-6642}")\"" \
        external_ids:ovn-remote-probe-interval="${OVN_REMOTE_PROBE_INTERVAL:-10000}" \
        external_ids:ovn-bridge=br-int \
        external_ids:ovn-bridge-datapath-type=$type \
        -- "${offload[@]}"
}

# --- after a boot ---------------------------------------------------------

after_boot() { [ "$datapath" = kernel ] && [ ! -e /sys/class/net/ovs-system ]; }

# free_nics takes NICs that were taken over out of their bridges after a boot: the
# host's own configuration has given them their addresses again, and vswitchd would
# make the host deaf before the agent can move them. The agent does it all again,
# in its order (docs/decisions/0016).
free_nics() {
    after_boot || return 0
    local exchanged bridge port
    for exchanged in true false; do
        for bridge in $(vsctl --bare --columns=name find Bridge external_ids:exchange-link-name=$exchanged); do
            for port in $(vsctl list-ports "$bridge"); do
                [ "$(vsctl --if-exists get Interface "$port" type)" = '""' ] || continue
                vsctl del-port "$bridge" "$port"
                say "took $port out of $bridge until the agent has moved what the host has on it"
            done
        done
    done
}

# --- flows over a restart -------------------------------------------------

# flow_count is nothing while vswitchd does not answer, which is no error: its
# callers would end by it (set -e), and flows would be held for ever.
flow_count() {
    ovs-ofctl --timeout=2 dump-aggregate br-int 2>/dev/null | sed -n 's/.*flow_count=//p' || true
}

# hold_flows makes a vswitchd that starts keep the kernel's flows, by which
# packets still go, instead of emptying the datapath because it has no OpenFlow
# rules yet. After a boot it has none to keep, and a NIC that is taken over waits.
hold_flows() {
    if [ "$datapath" = kernel ] && ! after_boot && vsctl br-exists br-int; then
        vsctl set Open_vSwitch . other_config:flow-restore-wait=true
    fi
}

# release_flows lets vswitchd go on once ovn-controller has filled br-int, that
# is, once the number of rules is no longer growing. After 30 seconds it goes on
# in any case: bridges that forward without OVN's rules wait for it too.
release_flows() {
    [ "$(vsctl --if-exists get Open_vSwitch . other_config:flow-restore-wait)" = '"true"' ] || return 0
    local before='' now tries
    for ((tries = 0; tries < 60; tries++)); do
        now=$(flow_count)
        [ "${now:-0}" -gt 0 ] && [ "$now" = "$before" ] && break
        before=$now
        sleep 0.5
    done
    vsctl remove Open_vSwitch . other_config flow-restore-wait
    say "flows of the datapath released, br-int has ${now:-0} rules"
}

# --- daemons --------------------------------------------------------------

start_ovsdb() {
    ovsdb-server "$database" --remote="punix:$socket" --pidfile "${logging[@]}" &
    running ovsdb $!
    within 10 vsctl show || die "ovsdb-server does not answer on $socket"
}

start_vswitchd() {
    hold_flows
    ovs-vswitchd "unix:$socket" --pidfile "${logging[@]}" &
    running vswitchd $!
    release_flows &
}

# start_controller: one that starts beside a vswitchd with rules computes its
# own before it replaces them, so that no packet finds an empty table.
start_controller() {
    local wait=0
    [ "$(flow_count)" -gt 0 ] 2>/dev/null && wait=8000
    vsctl set Open_vSwitch . external_ids:ovn-ofctrl-wait-before-clear=$wait
    ovn-controller "unix:$socket" "${tls[@]}" --pidfile "${logging[@]}" &
    running controller $!
}

# stop ends the daemons from the top down. ovn-controller keeps its chassis
# (--restart), vswitchd its datapath (a signal, not its command "exit").
stop() {
    ovn-appctl --timeout=5 -t ovn-controller exit --restart || true
    local file pid
    for file in ovs-vswitchd ovsdb-server; do
        pid=$(cat "/run/openvswitch/$file.pid") || continue
        kill "$pid" 2>/dev/null && ended "$pid"
    done
}

[ -n "${OVN_DB_IPS:-}" ] || die "OVN_DB_IPS is empty: no address of a southbound database"
[ -n "${KUBE_NODE_NAME:-}" ] || die "KUBE_NODE_NAME is empty"
mkdir -p /run/ovn
if vsctl --timeout=1 show >/dev/null 2>&1; then
    die "another Open vSwitch runs on this node ($socket answers): stop and disable its service first"
fi
on_stop stop
choose_datapath
prepare_database
start_ovsdb
settings
free_nics
start_vswitchd
start_controller
supervise
