#!/bin/bash
# ebpf.sh compiles the eBPF programs of internal/uplink, in a Debian 13 tree that
# it builds once, so that every machine makes the same object. The objects are
# committed: building and testing Hawser needs Go alone.
#
#   ebpf.sh           compiles if the sources changed since they were compiled
#   ebpf.sh --check   only says whether they did
#
# Beside each object stands the hash of what it was made of (bpf/*.sum).
set -euo pipefail
cd "$(dirname "$0")/../internal/uplink/bpf"
# shellcheck source=hack/debian.sh
. ../../../hack/debian.sh

packages=(clang-19 llvm-19 libbpf-dev linux-libc-dev libc6-dev)
flags=(-O2 -g -std=gnu11 -target bpfel -mcpu=v2 -Wall -Wextra -Werror -fno-stack-protector
    -I/usr/include/x86_64-linux-gnu)

# sources are all files that an object is made of; sum is their hash and that of
# the recipe.
sources() { LC_ALL=C ls -- *.c *.h; }
sum() {
    { printf '%s\n' 1 "$suite" "${packages[@]}" "${flags[@]}"; sources | xargs sha256sum; } | sha256sum | cut -d ' ' -f 1
}

fresh() { [ "$(cat switch.sum 2>/dev/null)" = "$(sum)" ] && [ -s switch.o ]; }

# build makes the compiler's tree. Its packages are unpacked only: nothing of them
# has to run but the compiler.
build() {
    debian extract "$1" "${packages[@]}"
    # The links that a merged /usr has, which no package brings along.
    ln -s usr/lib "$1/lib"
    ln -s usr/lib64 "$1/lib64"
}

# compile works in a place of fixed name: the object says where its lines are from.
compile() {
    local root
    root=$cache/clang-$(printf '%s\n' 1 "$suite" "${packages[@]}" | sha256sum | cut -c1-12)
    once "$root" "a minute"
    exec 9>"$root.lock"
    flock 9
    rm -rf "$root/source"
    mkdir "$root/source"
    sources | xargs cp -t "$root/source"
    chroot "$root" /usr/bin/clang-19 "${flags[@]}" -c /source/switch.c -o /source/switch.o
    chroot "$root" /usr/bin/llvm-strip-19 -g /source/switch.o
    install -m 644 "$root/source/switch.o" switch.o
    sum >switch.sum
    say "compiled $(wc -c <switch.o) bytes"
}

if fresh; then
    exit 0
fi
if [ "${1:-}" = --check ]; then
    say "internal/uplink/bpf/switch.o is older than its source: run hack/ebpf.sh and commit switch.o and switch.sum"
    exit 1
fi
compile
