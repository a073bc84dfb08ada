#!/bin/bash
# start-central.sh runs OVN's northbound and southbound database and northd.
#
#   OVN_DB_IPS   addresses of all replicas, comma separated, the same everywhere
#   POD_IP       this replica's address, one of them
#   POD_IPS      the addresses to listen on (default: POD_IP)
#   ENABLE_SSL   true: speak TLS with the files in /var/run/tls
#   PROBE_INTERVAL, ELECTION_TIMER   milliseconds, default 15000 and 2000
#   OVN_NORTHD_N_THREADS             default 1
#
# The databases are raft clusters, also with a single replica, so that one can
# become three. They lie in /etc/ovn; a restart finds them there. A replica that
# is stopped hands its leadership on before it goes.
set -euo pipefail
# shellcheck source=images/ovn/daemons.sh
. "${BASH_SOURCE%/*}/daemons.sh"

declare -A title=([nb]=OVN_Northbound [sb]=OVN_Southbound)
declare -A port=([nb]=6641 [sb]=6642)
declare -A raft_port=([nb]=6643 [sb]=6644)

file() { echo "/etc/ovn/ovn$1_db.db"; }
socket() { echo "/run/ovn/ovn$1_db.sock"; }
schema() { echo "/usr/share/ovn/ovn-$1.ovsschema"; }
raft_address() { echo "$(protocol):$(host "$2"):${raft_port[$1]}"; }

# --- how a database comes to be -------------------------------------------

others() {
    local address
    # shellcheck disable=SC2153  # POD_IP is no misspelling of POD_IPS
    for address in ${OVN_DB_IPS//,/ }; do [ "$address" = "$POD_IP" ] || echo "$address"; done
}

# cluster_on ADDRESS DB asks a replica whether it belongs to a cluster: prints
# "member", "none", or nothing when it does not answer or does not know yet.
cluster_on() {
    local answer query
    query='["_Server",{"op":"select","table":"Database","where":[["name","==","'${title[$2]}'"]],"columns":["cid"]}]'
    answer=$(ovsdb-client --timeout=3 "${tls[@]}" query "$(protocol):$(host "$1"):${port[$2]}" "$query" 2>/dev/null) || return 0
    # One that has not joined yet says zero. A server that is starting answers
    # before it lists its databases.
    case $answer in *'"rows":[]'*) ;; *'"00000000-'*) echo none ;; *) echo member ;; esac
}

# cluster_exists waits until it is known whether there is a cluster: one replica
# that belongs to one is enough for yes, no is what all of them have to say. A
# majority would not do: the cluster may have fewer members than there are
# replicas now, and those be the ones that are away.
cluster_exists() {
    local address silent told=''
    while true; do
        silent=()
        for address in $(others); do
            case $(cluster_on "$address" "$1") in
                member) return 0 ;;
                none) ;;
                *) silent+=("$address") ;;
            esac
        done
        [ ${#silent[@]} -gt 0 ] || return 1
        if [ "$told" != "${silent[*]}" ]; then
            say "$1: waiting for ${silent[*]} to say whether there is a cluster; a node that is gone for good must not stand in MASTER_NODES or carry kube-ovn/role=master"
            told=${silent[*]}
        fi
        sleep 1
    done
}

# prepare DB makes the database file where there is none that fits. The first
# address of the list founds the cluster, every other one joins it.
prepare() {
    local peer peers=()
    set_aside "$1"
    [ ! -e "$(file "$1")" ] || return 0
    if [ "$POD_IP" = "${OVN_DB_IPS%%,*}" ] && ! cluster_exists "$1"; then
        found "$1"
        return
    fi
    for peer in $(others); do peers+=("$(raft_address "$1" "$peer")"); done
    say "$1: joining the cluster of ${peers[*]}"
    ovsdb-tool join-cluster "$(file "$1")" "${title[$1]}" "$(raft_address "$1" "$POD_IP")" "${peers[@]}"
}

# set_aside DB: the members of a cluster know each other by address, which
# covers whether they speak TLS. A replica whose address is another one now
# keeps its file as a source of content only.
set_aside() {
    local have want
    [ -e "$(file "$1")" ] || return 0
    have=$(ovsdb-tool db-local-address "$(file "$1")")
    want=$(raft_address "$1" "$POD_IP")
    [ "$have" != "$want" ] || return 0
    say "$1: this replica's address changed from $have to $want"
    mv "$(file "$1")" "$(file "$1").previous"
}

# found DB makes a cluster of one, with the content of a file that was set aside.
found() {
    local content
    content=$(schema "$1")
    if [ -e "$(file "$1").previous" ]; then
        content=$(file "$1").content
        rm -f "$content"
        ovsdb-tool cluster-to-standalone "$content" "$(file "$1").previous"
    fi
    say "$1: founding the cluster, from $content"
    ovsdb-tool --election-timer="${ELECTION_TIMER:-2000}" create-cluster \
        "$(file "$1")" "$content" "$(raft_address "$1" "$POD_IP")"
    rm -f "$(file "$1").previous" "$(file "$1").content"
}

# --- daemons --------------------------------------------------------------

# configuration DB: on which sockets the server listens. The probe finds a
# client whose machine went away; until then northd's lock stays with a dead one.
configuration() {
    local address remotes
    remotes="\"punix:$(socket "$1")\": {}"
    for address in ${POD_IPS//,/ }; do
        remotes+=", \"p$(protocol):${port[$1]}:$(host "$address")\": {\"inactivity-probe\": ${PROBE_INTERVAL:-15000}}"
    done
    echo "{\"remotes\": {$remotes}, \"databases\": {\"$(file "$1")\": {}}}"
}

serve() {
    configuration "$1" >"/run/ovn/ovn$1.json"
    ovsdb-server --config-file="/run/ovn/ovn$1.json" --unixctl="/run/ovn/ovn$1_db.ctl" \
        --pidfile="/run/ovn/ovn$1_db.pid" "${tls[@]}" "${logging[@]}" &
    running "$1" $!
    after_joining "$1" &
}

after_joining() {
    within 60 test -S "$(socket "$1")" || return 0
    ovsdb-client --timeout=600 wait "unix:$(socket "$1")" "${title[$1]}" connected || return 0
    upgrade "$1"
    dismiss_predecessors "$1"
    rm -f "$(file "$1").previous"
}

# upgrade brings the database to this image's schema; several replicas may try,
# the leader does it once.
upgrade() {
    local server
    server=unix:$(socket "$1")
    if [ "$(ovsdb-client needs-conversion "$server" "$(schema "$1")")" = yes ]; then
        say "$1: converting to schema $(ovsdb-tool schema-version "$(schema "$1")")"
        ovsdb-client --timeout=600 convert "$server" "$(schema "$1")" || say "$1: not converted, the leader may be another replica"
    fi
}

# dismiss_predecessors: a replica that lost its disk or got another address
# joins as a new member, and the old one would count for majorities for ever.
# Old ones have this replica's address, or one that is not in the list.
dismiss_predecessors() {
    local control=/run/ovn/ovn$1_db.ctl id address
    ovs-appctl --timeout=5 -t "$control" cluster/status "${title[$1]}" | sed -n '/(self)/d; s/^ *[0-9a-f]* (\(.* at .*\)).*/\1/p' |
        while read -r id _ address; do
            if [ "$address" = "$(raft_address "$1" "$POD_IP")" ] || ! expected "$1" "$address"; then
                say "$1: dismissing $id at $address, which is no replica any more"
                ovs-appctl --timeout=5 -t "$control" cluster/kick "${title[$1]}" "$id"
            fi
        done
}

expected() {
    local replica
    for replica in ${OVN_DB_IPS//,/ }; do
        [ "$2" != "$(raft_address "$1" "$replica")" ] || return 0
    done
    return 1
}

start_nb() { serve nb; }
start_sb() { serve sb; }

start_northd() {
    ovn-northd --ovnnb-db="$(endpoints "${port[nb]}")" --ovnsb-db="$(endpoints "${port[sb]}")" \
        --n-threads="${OVN_NORTHD_N_THREADS:-1}" "${tls[@]}" --pidfile "${logging[@]}" &
    running northd $!
}

# stop ends northd, which gives its lock away, and then the servers by their
# command "exit", which hands leadership on; a signal would not.
stop() {
    local name pid
    ovn-appctl --timeout=5 -t ovn-northd exit || true
    for name in nb sb; do
        [ -e "/run/ovn/ovn${name}_db.pid" ] || continue
        pid=$(cat "/run/ovn/ovn${name}_db.pid")
        ovs-appctl --timeout=5 -t "/run/ovn/ovn${name}_db.ctl" exit || true
        ended "$pid"
    done
}

: "${POD_IP:?is empty: the address of this replica}"
: "${OVN_DB_IPS:?is empty: the addresses of all replicas}"
: "${POD_IPS:=$POD_IP}"
case ",$OVN_DB_IPS," in
    *",$POD_IP,"*) ;;
    *) die "this node's address $POD_IP is not among OVN_DB_IPS ($OVN_DB_IPS): set MASTER_NODES, or label the right nodes kube-ovn/role=master and upgrade the release" ;;
esac
mkdir -p /etc/ovn /run/ovn
on_stop stop
for db in nb sb; do
    prepare "$db"
    "start_$db"
done
start_northd
supervise
