#!/bin/bash
# healthy-central.sh live: the daemons answer on their control sockets.
# healthy-central.sh ready: both databases are part of a cluster with a leader.
set -euo pipefail
case ${1:-} in
    live)
        for daemon in /run/ovn/ovnnb_db.ctl /run/ovn/ovnsb_db.ctl; do
            ovs-appctl --timeout=5 -t "$daemon" version >/dev/null
        done
        ovn-appctl --timeout=5 -t ovn-northd version >/dev/null
        ;;
    ready)
        ovsdb-client --timeout=5 wait unix:/run/ovn/ovnnb_db.sock OVN_Northbound connected
        ovsdb-client --timeout=5 wait unix:/run/ovn/ovnsb_db.sock OVN_Southbound connected
        ;;
    *)
        echo "usage: ${0##*/} live|ready" >&2
        exit 2
        ;;
esac
