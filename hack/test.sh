#!/bin/bash
# test.sh is tier 1: from lint to one real cluster, cheapest first. It stops at
# the first stage that fails.
set -euo pipefail
cd "$(dirname "$0")/.."
start=$SECONDS
# On a new machine: what is mostly downloaded and unpacked, beside what computes.
hack/stage.sh trees hack/trees.sh | grep --line-buffered '^==>' &
trees=$!
trap 'wait' EXIT
hack/stage.sh lint hack/lint.sh
hack/stage.sh verify hack/verify.sh
make -s build images
wait $trees
# Not beside the tests, most of which could do without it: a compiler for six minutes
# on two cores, and what has to answer in time does not.
hack/stage.sh prepare bin/sandbox prepare
hack/stage.sh unit hack/unit.sh
hack/stage.sh cluster hack/tier.sh 1
echo "==> tier 1: ok, $(((SECONDS - start) / 60)) minutes"
