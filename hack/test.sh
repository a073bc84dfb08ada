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
# Kubernetes is compiled while most tests do without it, and gives way to them.
hack/stage.sh prepare bin/sandbox prepare &
prepare=$!
hack/stage.sh unit hack/unit.sh
wait $prepare
hack/stage.sh cluster hack/tier.sh 1
echo "==> tier 1: ok, $(((SECONDS - start) / 60)) minutes"
