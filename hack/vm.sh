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
# The path is all that goes to standard output.
set -euo pipefail
cd "$(dirname "$0")/vm"
# shellcheck source=hack/debian.sh
. ../debian.sh

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
# The driver of the disk and its file system; the rest is loaded from there.
drivers=(virtio_pci virtio_blk ext4)

# hash names the folder; the leading number is raised when the recipe changes.
hash() { { printf '%s\n' 1 "$suite" "${outside[@]}" "${inside[@]}" "${excluded[@]}" "${drivers[@]}"; cat initrd init; } | sha256sum | cut -c1-12; }

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

build() {
    mkdir -p "$1"
    debian extract "$1/emulator" "${outside[@]}"
    debian minbase "$1/root" "${inside[@]}"
    modules "$1/emulator" "$1/root"
    initrd "$1/root" "$1/initrd"
    cp "$1"/emulator/boot/vmlinuz-* "$1/vmlinuz"
    install -m 755 init "$1/root/usr/sbin/vm-init"
    mkdir -p "$1/root/in" "$1/root/out"
    truncate -s 4G "$1/root.ext4"
    mke2fs -q -t ext4 -d "$1/root" -O '^has_journal,^metadata_csum' -m 0 "$1/root.ext4" >&2
    rm -rf "$1/root" "$1/emulator/usr/lib/modules" "$1"/emulator/boot
}

target=$cache/vm-$(hash)
once "$target" "three minutes"
echo "$target"
