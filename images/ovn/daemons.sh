#!/bin/bash
# daemons.sh is sourced by the start scripts. It runs several daemons in one
# container: a daemon that dies is started again by itself, so that the others,
# and the packets that they carry, do not go down with it. One that dies five
# times within a minute ends the container, and kubelet shows it.
#
# A script names its daemons and defines start_NAME for each, which runs the
# daemon in the background and calls "running NAME $!".

declare -A daemon_of # process id → name
declare -A deaths    # name → seconds at which it died, newest last

say() { echo "$(date -u +%FT%TZ) ${0##*/}: $*" >&2; }
die() { say "$*"; exit 1; }

running() { daemon_of[$2]=$1; }

# within SECONDS COMMAND… repeats the command until it succeeds.
within() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$deadline" ] || return 1
        sleep 0.1
    done
}

# supervise starts again what died, until the container is told to stop.
supervise() {
    local pid status name
    while true; do
        status=0
        wait -n -p pid || status=$?
        name=${daemon_of[${pid:-none}]:-}
        [ -n "$name" ] || continue # a short job of a script's own
        unset "daemon_of[$pid]"
        say "$name ended with status $status, starting it again"
        may_restart "$name" || die "$name died five times within a minute: its own lines above say why"
        "start_$name"
    done
}

may_restart() {
    deaths[$1]="${deaths[$1]:-} $SECONDS"
    local times
    read -ra times <<<"${deaths[$1]}"
    [ "${#times[@]}" -lt 5 ] || [ $((SECONDS - times[-5])) -gt 60 ]
}

# ended PID waits for the process, at most ten seconds.
ended() {
    within 10 eval "! kill -0 $1" || kill -KILL "$1"
}

# on_stop COMMAND runs the command when kubelet ends the container.
on_stop() {
    # shellcheck disable=SC2064  # the command is meant to be expanded now
    trap "trap '' TERM INT; say stopping; $1; exit 0" TERM INT
}

# host ADDRESS writes an address as OVSDB's endpoints want it.
host() { case $1 in *:*) echo "[$1]" ;; *) echo "$1" ;; esac; }

# protocol is what all OVSDB peers speak.
protocol() { [ "${ENABLE_SSL:-false}" = true ] && echo ssl || echo tcp; }

# endpoints PORT lists every database server: tcp:10.0.0.1:6641,tcp:10.0.0.2:6641
endpoints() {
    local list='' address
    for address in ${OVN_DB_IPS//,/ }; do list+=",$(protocol):$(host "$address"):$1"; done
    echo "${list#,}"
}

# The certificate that every peer shows and the authority that it believes; OVS
# and OVN read the files again when they change.
# shellcheck disable=SC2034  # used by those who source this
tls=()
if [ "$(protocol)" = ssl ]; then
    # shellcheck disable=SC2034
    tls=(--private-key=/var/run/tls/key --certificate=/var/run/tls/cert --ca-cert=/var/run/tls/cacert)
fi

# Everything goes to the container's log and nothing to files.
# shellcheck disable=SC2034  # used by those who source this
logging=(-vconsole:"${LOG_LEVEL:-info}" -vsyslog:off -vfile:off)
