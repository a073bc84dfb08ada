# shellcheck shell=bash
# debian.sh is sourced by the scripts that make something of Debian 13 packages
# once and keep it in ${HAWSER_CACHE:-/var/cache/hawser}, under a name with the
# hash of all that decides its content: a changed recipe makes a new one and
# never alters one that is in use. Progress goes to standard error.

export suite=trixie
export cache=${HAWSER_CACHE:-/var/cache/hawser}
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
# Documentation and translations are a third of a tree and nobody reads them there.
excluded=('/usr/share/man/*' '/usr/share/doc/*' '/usr/share/locale/*' '/usr/share/info/*')

say() { echo "$(basename "$0" .sh): $*" >&2; }

# need installs the packages that building takes and the machine lacks.
need() {
    local packages=(mmdebstrap debian-archive-keyring e2fsprogs)
    command -v mmdebstrap >/dev/null && command -v mke2fs >/dev/null && [ -r "$keyring" ] && return
    say "installing ${packages[*]}"
    export DEBIAN_FRONTEND=noninteractive
    { apt-get update -q && apt-get install -qy --no-install-recommends "${packages[@]}"; } >&2 ||
        { say "packages cannot be installed: see the lines above, then run 'apt-get install ${packages[*]}' by hand"; exit 1; }
}

# debian makes a Debian tree: debian VARIANT TARGET PACKAGE… (variants: man mmdebstrap)
debian() {
    local variant=$1 target=$2 options=() path
    shift 2
    for path in "${excluded[@]}"; do options+=(--dpkgopt="path-exclude=$path"); done
    mmdebstrap --variant="$variant" --mode=root --architectures=amd64 --keyring="$keyring" "${options[@]}" \
        --aptopt='APT::Install-Recommends "false"' --include="$(IFS=,; echo "$*")" "$suite" "$target" >&2
}

# once makes TARGET by the function `build` of the script, which takes a path
# beside it: once TARGET DURATION. It is renamed when complete, so that a
# half-built one is never found.
once() {
    local target=$1
    [ ! -d "$target" ] || return 0
    [ "$(id -u)" = 0 ] || { say "root is needed to build $target: run 'sudo $0'"; exit 1; }
    mkdir -p "$cache"
    exec 9>"$target.lock"
    flock -n 9 || { say "waiting for another builder of $target"; flock 9; }
    if [ ! -d "$target" ]; then
        need
        rm -rf "$target".tmp.*
        unfinished=$target.tmp.$$
        trap 'rm -rf "$unfinished"' EXIT
        say "building $target (about $2)"
        build "$unfinished"
        mv -T "$unfinished" "$target"
    fi
    exec 9>&-
}
