#!/bin/bash
# trees.sh makes the Debian trees that tests stand on: the sandbox's nodes and
# the test machine.
set -euo pipefail
cd "$(dirname "$0")"
./rootfs.sh
./vm.sh
