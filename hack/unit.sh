#!/bin/bash
# unit.sh [--unprepared|--prepared] [FLAGS] runs all tests of tier 1 that need no
# cluster: pure ones, those on real databases and network namespaces, and the rules
# of the tree (test/archtest). FLAGS go to `go test`. With --prepared it runs those
# only that start programs which `bin/sandbox prepare` builds, such as an API
# server; with --unprepared only the others.
#
# What runs goroutines of its own without Kubernetes' client does so under the
# race detector, where there is a C compiler for it. The rest does under `make
# race` only: the detector would have Kubernetes' client compiled a second time,
# five minutes on two cores.
set -euo pipefail
cd "$(dirname "$0")/.."

edges='hawser/internal/(ipam|northbound|vswitch|kernel|uplink|netfilter|netmanager|cniclient|leader)'
elsewhere='hawser/test/(e2e|sandbox|bench|vm/node)'
programs='hawser/test/(apitest|sandbox/tools)'
race=()
! command -v "$(go env CC)" >/dev/null || race=(-race)

part=
case ${1:-} in --prepared | --unprepared) part=$1 && shift ;; esac

# Tests of another tier in these packages, by test/tiers.txt, as one pattern.
later=$(awk '$1 !~ /^(#|$|test\/e2e|test\/sandbox|test\/vm)/ && $3 != 1 && $2 != "*" { print $2 }' test/tiers.txt | sort -u | paste -sd '|')

# of_part leaves those of some packages, each with what it imports, that the part
# consists of.
of_part() {
    case $part in
    --prepared) grep -E "$programs" ;;
    --unprepared) grep -vE "$programs" ;;
    *) cat ;;
    esac
}

# What takes longest begins first: begun last, it would be waited for alone.
longest='hawser/internal/(controller|takeover)$'
packages=$(go list -f '{{.ImportPath}} {{.Imports}}{{.TestImports}}{{.XTestImports}}' ./... |
    of_part | cut -d' ' -f1 | grep -vE "^$elsewhere(/|\$)")
packages=$(grep -E "^$longest" <<<"$packages" || true; grep -vE "^$longest" <<<"$packages")

# run -E tests the edges, run -vE everything else; both at a time, and three
# packages of each: most of what they do is wait. `make lint` has vetted all.
run() {
    local filter=$1 flag cgo=0
    shift
    for flag; do [ "$flag" != -race ] || cgo=1; done # the detector is written in C
    { grep "$filter" "^$edges(/|\$)" <<<"$packages" || true; } | # a part may have none
        CGO_ENABLED=$cgo xargs --no-run-if-empty go test -vet=off -p 3 -timeout 15m ${later:+-skip "^($later)\$"} "$@"
}

failed=0
run -E "${race[@]}" "$@" &
beside=$!
run -vE "$@" || failed=1
wait $beside || failed=1
exit "$failed"
