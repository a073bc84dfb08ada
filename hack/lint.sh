#!/bin/bash
# lint.sh holds the tree against .golangci.yml with one pinned golangci-lint,
# which it builds from its Go module the first time (about four minutes).
set -euo pipefail
version=v2.15.0
cache=${HAWSER_CACHE:-/var/cache/hawser}
tool=$cache/golangci-lint-$version/golangci-lint

# build installs beside the final place and renames, so that a broken build is
# never found. It is a subshell, whose end the trap is about.
build() (
    into=$(mktemp -d "$cache/golangci-lint-$version.tmp.XXXXXX")
    trap 'rm -rf "$into"' EXIT
    echo "building golangci-lint $version, once"
    (cd "$into" && GOBIN=$into GOFLAGS=-trimpath nice go install "github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$version")
    mkdir -p "$(dirname "$tool")"
    mv "$into/golangci-lint" "$tool"
)

mkdir -p "$cache"
exec 9>"$cache/golangci-lint-$version.lock"
flock 9
[ -x "$tool" ] || build
flock -u 9

cd "$(dirname "$0")/.."
# Another run on this machine, of whatever tree, is waited for.
nice "$tool" run --allow-serial-runners "$@" ./...
