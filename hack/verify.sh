#!/bin/bash
# verify.sh runs all generators and fails if they change anything: then what is
# committed is not what its source says.
#
# It compares generated files with themselves before, not with the last commit,
# so that it also serves in the midst of work. The compiled eBPF programs are held
# against the hash of their sources, so that no compiler is needed for it.
set -euo pipefail
cd "$(dirname "$0")/.."

hack/ebpf.sh --check

# generated lists every generated file by its notice.
generated() { git grep -lzE --untracked '^(// Code generated .*|    controller-gen\.kubebuilder\.io/version: )' -- '*.go' '*.yaml'; }
sums() { generated | xargs -0 sha256sum | sort -k 2; }

before=$(sums)
go generate ./...
after=$(sums)
if [ "$before" != "$after" ]; then
    echo "generated files were stale, and are now rewritten: look at them and commit"
    diff <(echo "$before") <(echo "$after") | awk '/^[<>]/ { print "  " $3 }' | sort -u
    exit 1
fi
echo "$(wc -l <<<"$after") generated files are what the generators write"
