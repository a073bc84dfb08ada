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

edges='hawser/internal/(ipam|northbound|vswitch|kernel|uplink|netfilter|netmanager|cniclient|leader)'
elsewhere='hawser/test/(e2e|sandbox|bench|vm/node)'
race=()
! command -v "$(go env CC)" >/dev/null || race=(-race)

# Tests of another tier in these packages, by test/tiers.txt, as one pattern.
later=$(awk '$1 !~ /^(#|$|test\/e2e|test\/sandbox|test\/vm)/ && $3 != 1 && $2 != "*" { print $2 }' test/tiers.txt | sort -u | paste -sd '|')

# What takes longest begins first: begun last, it would be waited for alone.
longest='hawser/internal/(controller|takeover)'
packages() {
    local all
    all=$(go list ./... | grep -vE "^$elsewhere(/|\$)")
    grep -E "^$longest\$" <<<"$all"
    grep -vE "^$longest\$" <<<"$all"
}

# run -e tests the edges, run -ve everything else; both at a time, and three
# packages of each: most of what they do is wait.
run() {
    local filter=$1 flag cgo=0
    shift
    for flag; do [ "$flag" != -race ] || cgo=1; done # the detector is written in C
    packages | grep -E "$filter" "^$edges(/|\$)" |
        CGO_ENABLED=$cgo xargs go test -p 3 -timeout 15m ${later:+-skip "^($later)\$"} "$@"
}

failed=0
run -e "${race[@]}" "$@" &
beside=$!
run -ve "$@" || failed=1
wait $beside || failed=1
exit "$failed"
