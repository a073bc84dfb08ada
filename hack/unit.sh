#!/bin/bash
# unit.sh [FLAGS] runs all tests of tier 1 that need no cluster: pure ones, those
# on real databases and network namespaces, and the rules of the tree
# (test/archtest). FLAGS go to `go test`.
#
# What runs goroutines of its own without Kubernetes' client does so under the
# race detector, where there is a C compiler for it. The rest does under `make
# race` only: the detector would have Kubernetes' client compiled a second time,
# five minutes on two cores.
set -euo pipefail
cd "$(dirname "$0")/.."

edges='hawser/internal/(ipam|northbound|vswitch|kernel|uplink|netfilter|netmanager|cniclient|leader)(/.*)?'
elsewhere='hawser/test/(e2e|sandbox|bench|vm/node|vm/power)(/.*)?'
race=()
! command -v "$(go env CC)" >/dev/null || race=(-race)

# Tests of another tier in these packages, by test/tiers.txt, as one pattern.
later=$(awk '$1 !~ /^(#|$|test\/e2e|test\/sandbox|test\/vm)/ && $3 != 1 && $2 != "*" { print $2 }' test/tiers.txt | sort -u | paste -sd '|')

# What takes longest begins first: begun last, it would be waited for alone.
packages=$(go list ./... |
    awk -v longest='^hawser/internal/(controller|takeover)$' -v elsewhere="^$elsewhere\$" -v edges="^$edges\$" '
        $1 ~ elsewhere { next }
        { print ($1 ~ longest ? 0 : 1), ($1 ~ edges ? "edge" : "plain"), $1 }' |
    sort -s -k 1,1)

# run KIND tests the packages of a kind, three at a time: most of what they do is wait.
# `make lint` has vetted them.
run() {
    local kind=$1 flag cgo=0
    shift
    for flag; do [ "$flag" != -race ] || cgo=1; done # the detector is written in C
    awk -v kind="$kind" '$2 == kind { print $3 }' <<<"$packages" |
        CGO_ENABLED=$cgo xargs go test -vet=off -p 3 -timeout 15m ${later:+-skip "^($later)\$"} "$@"
}

failed=0
run edge "${race[@]}" "$@" &
beside=$!
run plain "$@" || failed=1
wait "$beside" || failed=1
exit "$failed"
