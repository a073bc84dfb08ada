#!/bin/bash
# healthy-ovs.sh succeeds when ovsdb-server, vswitchd and ovn-controller answer
# on their control sockets. A database far away that does not answer is not
# their fault and no reason to restart them.
set -euo pipefail
ovs-appctl --timeout=5 -t ovsdb-server version >/dev/null
ovs-appctl --timeout=5 -t ovs-vswitchd version >/dev/null
ovn-appctl --timeout=5 -t ovn-controller version >/dev/null
