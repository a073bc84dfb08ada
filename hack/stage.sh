#!/bin/bash
# stage.sh NAME COMMAND… runs a command as a stage of a longer run: it says what
# starts and how long it took, and keeps all output in dist/logs/NAME.log.
set -uo pipefail
name=$1
shift
cd "$(dirname "$0")/.." || exit
mkdir -p dist/logs
echo "==> $name: $*"
start=$SECONDS
"$@" 2>&1 | tee "dist/logs/$name.log"
result=${PIPESTATUS[0]}
took=$(printf '%dm%02ds' $(((SECONDS - start) / 60)) $(((SECONDS - start) % 60)))
if [ "$result" = 0 ]; then
    echo "==> $name: ok, $took"
else
    echo "==> $name: FAILED after $took; its output is in dist/logs/$name.log"
fi
exit "$result"
