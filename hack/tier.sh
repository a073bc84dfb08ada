#!/bin/bash
# tier.sh TIER runs the tests of a tier that need a machine of their own or the
# sandbox, as test/tiers.txt names them: for tier 1 those of test/sandbox,
# test/vm/node and test/e2e, for a shard of tier 2 all of it. It brings up the
# sandbox that the tier needs and takes it down; after a failure it keeps a report
# of it. What the virtual machine hands back lies in dist/vm.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
tier=$1
# A sandbox of our own: one that 'make up' made stays as it is.
export HAWSER_SANDBOX=${HAWSER_SANDBOX:-/var/lib/hawser-sandbox-test}
export HAWSER_VM_OUT=${HAWSER_VM_OUT:-$PWD/dist/vm}

# entries are "<package-dir> <pattern>" lines, one a package of the tier; those
# that need no cluster of ours come first.
entries() {
    awk -v tier="$tier" '
        $1 ~ /^(#|$)/ || $3 != tier || (tier == 1 && $1 !~ /^test\/(sandbox|vm\/node|e2e)/) { next }
        { pattern[$1] = pattern[$1] (pattern[$1] ? "|" : "") ($2 == "*" ? ".*" : $2) }
        END { for (dir in pattern) print dir, "^(" pattern[dir] ")$" }' test/tiers.txt | sort -r
}

# clusters are the kinds of cluster that the tier runs in, one after another,
# each by the flags of `sandbox up`. Tier 1 and the faults have one with all that
# can be had at once: both families, TLS, three databases.
clusters() {
    case $tier in
    1 | faults) echo '--ip-family dual --masters 3 --set networking.enableSSL=true' ;;
    families) printf '%s\n' '--ip-family ipv4' '--ip-family ipv6' ;;
    *) echo '--ip-family dual' ;;
    esac
}

run() {
    local dir=$1 pattern=$2
    echo "go test -run '$pattern' ./$dir"
    go test -vet=off -count=1 -v -timeout 40m -run "$pattern" "./$dir"
}

# in_cluster runs the tests of test/e2e in one kind of cluster.
in_cluster() {
    local flags=$1 result=0
    # shellcheck disable=SC2086 # flags are several words
    bin/sandbox up $flags && run test/e2e "$2" || result=$?
    if [ "$result" != 0 ]; then
        bin/sandbox report --out "dist/report-$tier-$(date -u +%H%M%S).tar.gz" ||
            echo "no report could be made of the sandbox"
    fi
    bin/sandbox down || result=$?
    return "$result"
}

failed=0 found=0
while read -r dir pattern; do
    found=1
    if [ "$dir" != test/e2e ]; then
        run "$dir" "$pattern" </dev/null || failed=1
        continue
    fi
    while read -r flags; do
        in_cluster "$flags" "$pattern" </dev/null || failed=1
    done < <(clusters)
done < <(entries)
[ "$found" = 1 ] || echo "tier $tier has no test yet"
exit "$failed"
