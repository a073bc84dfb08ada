#!/bin/bash
# unit.sh runs all tests of tier 1 that need no cluster: pure ones, those on real
# databases and network namespaces, and the rules of the tree (test/archtest).
set -euo pipefail
cd "$(dirname "$0")/.."

# Tests of these packages of another tier, by test/tiers.txt, as one pattern.
later=$(awk '$1 !~ /^(#|$)/ && $3 != 1 && $2 != "*" { print $2 }' test/tiers.txt | sort -u | paste -sd '|')
mapfile -t packages < <(go list ./... | grep -vE '^hawser/test/(e2e|sandbox|bench)(/|$)')
exec go test -timeout 15m ${later:+-skip "^($later)\$"} "$@" "${packages[@]}"
