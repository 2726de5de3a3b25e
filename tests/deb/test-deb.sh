#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# test-deb.sh SOURCE CC: builds the Debian packages, and installs, uses and removes them in a root that is
# thrown away; needs no root of its own. Speaks TAP.
# shellcheck disable=SC2317  # the functions are called through check
set -uo pipefail
source=$1
cc=$2
count=0
failed=0

for tool in dpkg-buildpackage dh lintian fakeroot scdoc; do
    if ! command -v "$tool" >/dev/null; then
        echo "1..0 # SKIP $tool is not here"
        exit 0
    fi
done

work=$(mktemp -d)
root=$work/root
trap 'rm -rf "$work"' EXIT

check() # NAME COMMAND...
{
    local name=$1
    shift
    count=$((count + 1))
    if "$@" >"$work/said" 2>&1; then
        echo "ok $count - $name"
    else
        echo "not ok $count - $name"
        sed 's/^/# /' "$work/said"
        failed=1
    fi
}

# Dependencies are those of the machine, not of the empty root.
in_root()
{
    PATH=$PATH:/usr/sbin:/sbin fakeroot dpkg --root="$root" --log="$work/dpkg.log" --force-not-root \
        --force-depends --force-script-chrootless "$@"
}

make_root()
{
    mkdir -p "$root/var/lib/dpkg/info" "$root/var/lib/dpkg/updates" "$root/var/lib/dpkg/triggers"
    touch "$root/var/lib/dpkg/status" "$root/var/lib/dpkg/available"
}

same_version()
{
    local meson
    meson=$(sed -n "s/^ *version: '\(.*\)',/\1/p" "$source/meson.build")
    [ "$(dpkg-parsechangelog -l "$source/debian/changelog" -S Version)" = "$meson" ]
}

library_folder()
{
    dirname "$(find "$root/usr/lib" -name 'libvixDiskLib.so.8')"
}

program_is_built()
{
    local flags
    export PKG_CONFIG_SYSROOT_DIR=$root
    PKG_CONFIG_PATH=$(library_folder)/pkgconfig
    export PKG_CONFIG_PATH
    read -ra flags <<<"$(pkg-config --cflags --libs vixDiskLib)"
    "$cc" "$source/examples/read-disk.c" "${flags[@]}" -o "$work/read-disk"
}

program_runs()
{
    head -c 1048576 /dev/urandom >"$work/disk.raw" &&
        qemu-img convert -f raw -O vmdk "$work/disk.raw" "$work/disk.vmdk" &&
        LD_LIBRARY_PATH=$(library_folder) "$work/read-disk" "$work/disk.vmdk" | cmp - "$work/disk.raw"
}

# The names of the library's generation and of those before it are in the package itself.
names()
{
    local name
    for name in libvixDiskLib.so.8.0.3 libvixDiskLib.so.8 libvixDiskLib.so.7 libvixDiskLib.so.6; do
        [ -e "$(library_folder)/$name" ] || { echo "$name"; return 1; }
    done
}

# Nothing is linked with these, so no tool sees them: they are loaded when a server is talked to.
# Newer releases have them under other names.
recommended()
{
    local package wanted field
    for package in libvirtual-disks virtual-disks-tools; do
        for wanted in 'libcurl4t64 | libcurl4' 'libssl3t64 | libssl3' 'libxml2-16 | libxml2'; do
            field=$(dpkg-deb -f "$work/packages/${package}"_*.deb Recommends)
            [[ " $field," == *" $wanted,"* ]] || { echo "$package: $field"; return 1; }
            field=$(dpkg-deb -f "$work/packages/${package}"_*.deb Depends)
            [[ $field != *"${wanted##* }"* ]] || { echo "$package: $field"; return 1; }
        done
    done
}

nothing_left()
{
    ! find "$root" -path "$root/var/lib/dpkg" -prune -o \( -type f -o -type l \) -print | grep .
}

# A line for each package that is half there.
all_whole()
{
    ! in_root --audit | grep .
}

packages=(libvirtual-disks libvirtual-disks-dev virtual-disks-tools)
check 'the packages have the version of the project' same_version
check 'the packages are built, and lintian is content' "$source/tools/deb" "$work/packages"
check 'what servers need is recommended, and no more' recommended
make_root
check 'they are installed' in_root --install "$work"/packages/libvirtual-disks_*.deb \
    "$work"/packages/libvirtual-disks-dev_*.deb "$work"/packages/virtual-disks-tools_*.deb
check 'all whole' all_whole
check 'the command runs' "$root/usr/bin/vdisk" --version
check 'and has its manual page' test -f "$root/usr/share/man/man1/vdisk.1.gz"
check 'the library has the names programs look for' names
check 'a program is built with them' program_is_built
check 'and reads a disk' program_runs
check 'they are removed' in_root --purge "${packages[@]}"
check 'and nothing is left' nothing_left
echo "1..$count"
exit $failed
