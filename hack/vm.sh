#!/bin/bash
# vm.sh builds, once, what the test virtual machine consists of (test/vm), and
# prints the path of its folder:
#
#   emulator/    Debian 13's qemu, unpacked; it runs through its own loader, for
#                Debian 12's breaks cmpxchg16b
#   vmlinuz      Debian 13's kernel of the cloud flavour
#   initrd       a busybox and the driver of the disk
#   root.ext4    the machine's disk, never written: each run has a snapshot
#
# The path is all that goes to standard output; progress goes to standard error.
# The result lies in ${HAWSER_CACHE:-/var/cache/hawser}/vm-<hash>, where the hash
# covers everything that decides its content.
set -euo pipefail
cd "$(dirname "$0")/vm"

suite=trixie
cache=${HAWSER_CACHE:-/var/cache/hawser}
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# What runs outside or below the machine is unpacked only: none of it is set up.
outside=(linux-image-cloud-amd64 qemu-system-x86 seabios)
inside=(
    # the fabric
    openvswitch-switch openvswitch-common ovn-central ovn-host ovn-common
    # what owns NICs on the machines of users
    network-manager libteam-utils keepalived dbus udev ifenslave
    # what tests look with and ping with
    iproute2 iputils-ping iputils-arping ethtool tcpdump nftables conntrack iperf3 jq
    procps psmisc socat netcat-openbsd dnsmasq-base busybox-static radvd
    # what builds the disk, and reads modules
    kmod xz-utils
)
excluded=('/usr/share/man/*' '/usr/share/doc/*' '/usr/share/locale/*' '/usr/share/info/*')
# The driver of the disk and its file system; the rest is loaded from there.
drivers=(virtio_pci virtio_blk ext4)

say() { echo "vm: $*" >&2; }

# hash names the folder; the leading number is raised when the recipe changes.
hash() { { printf '%s\n' 1 "$suite" "${outside[@]}" "${inside[@]}" "${excluded[@]}" "${drivers[@]}"; cat initrd init; } | sha256sum | cut -c1-12; }

# need installs the packages that the build needs and the machine lacks.
need() {
    command -v mmdebstrap mke2fs >/dev/null && [ -r "$keyring" ] && return
    say "installing mmdebstrap"
    export DEBIAN_FRONTEND=noninteractive
    { apt-get update -q && apt-get install -qy --no-install-recommends mmdebstrap debian-archive-keyring e2fsprogs; } >&2 ||
        { say "mmdebstrap cannot be installed: see the lines above, then run 'apt-get install mmdebstrap debian-archive-keyring e2fsprogs' by hand"; exit 1; }
}

# tree makes a Debian tree: tree VARIANT TARGET PACKAGE…
tree() {
    local variant=$1 target=$2 options=()
    shift 2
    for path in "${excluded[@]}"; do options+=(--dpkgopt="path-exclude=$path"); done
    mmdebstrap --variant="$variant" --mode=root --architectures=amd64 --keyring="$keyring" "${options[@]}" \
        --aptopt='APT::Install-Recommends "false"' --include="$(IFS=,; echo "$*")" "$suite" "$target" >&2
}

# modules lays the kernel's modules into the root unpacked: under emulation each
# would take seconds to decompress.
modules() {
    local from=$1 root=$2
    mkdir -p "$root/usr/lib/modules"
    cp -a "$from"/usr/lib/modules/* "$root/usr/lib/modules/"
    find "$root/usr/lib/modules" -name '*.ko.xz' | sed "s|^$root||" | chroot "$root" xargs xz -d
    chroot "$root" depmod "$(ls "$root/usr/lib/modules")"
}

# initrd packs what it takes to mount the disk, in the order of its loading.
initrd() {
    local root=$1 target=$2 work=$1/initrd number=0 path
    mkdir -p "$work"/{bin,modules,proc,sys,dev,disk}
    cp "$root/usr/bin/busybox" "$work/bin/"
    install -m 755 initrd "$work/init"
    for driver in "${drivers[@]}"; do
        chroot "$root" modprobe -S "$(ls "$root/usr/lib/modules")" --show-depends "$driver"
    done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' | while read -r path; do
        number=$((number + 1))
        cp "$root$path" "$work/modules/$(printf %02d $number)-$(basename "$path")"
    done
    chroot "$root" sh -c 'cd /initrd && find . | busybox cpio -o -H newc' >"$target" 2>/dev/null
    rm -rf "$work"
}

# build makes the folder beside its place and renames it, so that a half-built
# one is never found.
build() {
    local target=$1
    rm -rf "$target".tmp.*
    tmp=$target.tmp.$$
    trap 'rm -rf "$tmp"' EXIT
    say "building $target (about three minutes)"
    mkdir -p "$tmp"
    tree extract "$tmp/emulator" "${outside[@]}"
    tree minbase "$tmp/root" "${inside[@]}"
    modules "$tmp/emulator" "$tmp/root"
    initrd "$tmp/root" "$tmp/initrd"
    cp "$tmp"/emulator/boot/vmlinuz-* "$tmp/vmlinuz"
    install -m 755 init "$tmp/root/usr/sbin/vm-init"
    mkdir -p "$tmp/root/in" "$tmp/root/out"
    truncate -s 4G "$tmp/root.ext4"
    mke2fs -q -t ext4 -d "$tmp/root" -O '^has_journal,^metadata_csum' -m 0 "$tmp/root.ext4" >&2
    rm -rf "$tmp/root" "$tmp/emulator/usr/lib/modules" "$tmp"/emulator/boot
    mv -T "$tmp" "$target"
}

target=$cache/vm-$(hash)
mkdir -p "$cache"
if [ ! -d "$target" ]; then
    [ "$(id -u)" = 0 ] || { say "root is needed to build $target: run 'sudo $0'"; exit 1; }
    exec 9>"$target.lock"
    flock -n 9 || { say "waiting for another builder of $target"; flock 9; }
    if [ ! -d "$target" ]; then
        need
        build "$target"
    fi
fi
echo "$target"
