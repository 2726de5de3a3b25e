#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# test-kit.sh KIT BUILD CC SOURCE: the kit's layout, the names loaders look for, its archive; and an
# installation in a folder, found through pkg-config. Speaks TAP.
# shellcheck disable=SC2317  # the functions are called through check
set -uo pipefail
kit=$1
build=$2
cc=$3
source=$4
count=0
failed=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset DESTDIR

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

skip()
{
    count=$((count + 1))
    echo "ok $count - $1 # SKIP $2"
}

only_links_and_one_library()
{
    local name real=$tree/lib64/libvixDiskLib.so.8.0.3
    [ -f "$real" ] && [ ! -L "$real" ] || return 1
    for name in "$tree"/lib64/libvixDiskLib.so*; do
        [ "$(readlink -f "$name")" = "$(readlink -f "$real")" ] || { echo "$name"; return 1; }
    done
}

has_name()
{
    readelf -h "$tree/lib64/libvixDiskLib.so$1" | grep 'DYN'
}

# nbdkit runs with lib64 in its search path: nothing there may stand before a library of the system.
only_ours()
{
    ! find "$tree/lib64" -maxdepth 1 ! -type d -name '*.so*' -printf '%f\n' |
        grep -v '^lib\(vix\|vdisk\)'
}

# What only servers need is loaded when one is talked to.
needs_only_the_system() # FILE
{
    ! readelf -d "$tree/$1" | grep -E 'RPATH|RUNPATH' || return 1
    readelf -d "$tree/$1" | sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p' |
        grep -v -E '^(libc|libm|libz|libdeflate|libpthread|libdl|libisal|ld-linux|lib[a-z]*san)\b' >"$work/odd"
    ! [ -s "$work/odd" ] || { cat "$work/odd"; return 1; }
}

listed()
{
    (cd "$tree" && find . \( -type f -o -type l \) ! -name FILES -printf '%P\n' | LC_ALL=C sort |
        diff - FILES)
}

same_archive_twice()
{
    "$kit" "$build" "$work/again" &&
        cmp "$work/made/$distribution.tar.gz" "$work/again/$distribution.tar.gz"
}

unpacks_to_the_same()
{
    mkdir "$work/unpacked" && tar -xzf "$work/made/$distribution.tar.gz" -C "$work/unpacked" &&
        diff -r --no-dereference "$work/again/$distribution" "$work/unpacked/$distribution"
}

anonymous()
{
    ! tar --numeric-owner -tvzf "$work/made/$distribution.tar.gz" | grep -v ' 0/0 '
}

compiles()
{
    "$cc" "$source/examples/read-disk.c" "$@" -o "$work/read-disk"
}

reads_a_disk() # LIBRARY_FOLDER
{
    head -c 1048576 /dev/urandom >"$work/disk.raw" &&
        qemu-img convert -f raw -O vmdk "$work/disk.raw" "$work/disk.vmdk" &&
        LD_LIBRARY_PATH=$1 "$work/read-disk" "$work/disk.vmdk" >"$work/read.raw" &&
        cmp "$work/disk.raw" "$work/read.raw"
}

installed()
{
    meson install -C "$build" --no-rebuild --quiet --destdir "$work/root" &&
        pc=$(find "$work/root" -name vixDiskLib.pc) && [ -n "$pc" ]
}

through_pkg_config()
{
    local flags
    export PKG_CONFIG_SYSROOT_DIR=$work/root PKG_CONFIG_PATH=${pc%/*}
    read -ra flags <<<"$(pkg-config --cflags --libs vixDiskLib)"
    compiles "${flags[@]}"
}

# A sanitizer's library is linked by programs that are built with it only.
sanitized()
{
    readelf -d "$tree/lib64/libvixDiskLib.so" | grep -q 'san\.so'
}

distribution=vmware-vix-disklib-distrib
"$kit" "$build" "$work/made" >&2 || exit 1
mkdir "$work/another place"
mv "$work/made/$distribution" "$work/another place/"
tree="$work/another place/$distribution"

for generation in "" .6 .7 .8 .9 .6.0.0 .6.5.4 .6.7.3 .7.0.3 .8.0.0 .8.0.2 .8.0.3; do
    check "libvixDiskLib.so$generation is an ELF library" has_name "$generation"
done
check 'one library, and links to it' only_links_and_one_library
check 'nothing in lib64 stands before a library of the system' only_ours
for file in lib64/libvixDiskLib.so lib64/libvdisk.so bin64/vdisk; do
    check "$file needs the system alone" needs_only_the_system "$file"
done
for header in vixDiskLib.h vm_basic_types.h; do
    check "include/$header" test -f "$tree/include/$header"
done
check 'bin64/vdisk runs' "$tree/bin64/vdisk" --version
check 'doc/ has the licence' cmp "$source/LICENSE" "$tree/doc/LICENSE"
check 'FILES lists every file' listed
check 'the archive is the same when it is made again' same_archive_twice
check 'and unpacks to the tree' unpacks_to_the_same
check 'and names no owner' anonymous
check 'meson install, with DESTDIR' installed
if sanitized; then
    skip 'programs built with what was installed' 'a library with a sanitizer needs a program with it'
else
    check 'a program is built with the kit' compiles "-I$tree/include" "-L$tree/lib64" -lvixDiskLib
    check 'and reads a disk' reads_a_disk "$tree/lib64"
    check 'a program is built through pkg-config' through_pkg_config
    check 'and reads a disk' reads_a_disk "$(dirname "$(find "$work/root" -name libvixDiskLib.so)")"
fi
echo "1..$count"
exit $failed
