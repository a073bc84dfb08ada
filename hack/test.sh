#!/bin/bash
# test.sh is tier 1: from lint to one real cluster, cheapest first. It stops at
# the first stage that fails.
set -euo pipefail
cd "$(dirname "$0")/.."
start=$SECONDS
hack/stage.sh lint hack/lint.sh
hack/stage.sh verify hack/verify.sh
make -s build images
hack/stage.sh prepare bin/sandbox prepare
hack/stage.sh unit hack/unit.sh
hack/stage.sh cluster hack/tier.sh 1
echo "==> tier 1: ok, $(((SECONDS - start) / 60)) minutes"
