#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

# poke FILE OFFSET BYTES: bytes as printf knows them.
poke() { printf '%b' "$3" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none; }

# number FILE OFFSET: the little-endian number there.
number() { od -An -tu4 -j "$2" -N 4 "$1" | tr -d ' '; }

# qemu leaves the end of a longer descriptor standing when its new CID has fewer digits.
clear_padding() { python3 -c '
import sys
with open(sys.argv[1], "r+b") as file:
    file.seek(512)
    area = file.read(20 * 512)
    file.seek(512)
    file.write(area.split(b"\0")[0].ljust(len(area), b"\0"))' "$1"; }

# A disk with one grain; `gt` and `rgt` are the places of its entry in the first table of each.
small_disk() {
    need qemu-img qemu-io
    qemu-img create -q -f vmdk disk.vmdk 10M
    qemu-io -f vmdk -c 'write -P 7 0 64k' disk.vmdk >/dev/null
    clear_padding disk.vmdk
    gt=$(($(number disk.vmdk $((26 * 512))) * 512))
    rgt=$(($(number disk.vmdk $((21 * 512))) * 512))
}

test_what_qemu_writes_is_sound() {
    local subformat

    need qemu-img
    noise 3000000 >guest.raw
    truncate -s 5M guest.raw
    for subformat in streamOptimized monolithicSparse monolithicFlat twoGbMaxExtentSparse twoGbMaxExtentFlat; do
        qemu-img convert -f raw -O vmdk -o "subformat=$subformat" guest.raw "$subformat.vmdk"
        qemu-img check -q "$subformat.vmdk"
        vdisk check "$subformat.vmdk" >out
        grep -q ': no faults; 0 faults, 0 leaks, ' out || fail "$subformat: $(cat out)"
    done
}

test_a_sound_disk() {
    small_disk
    shows sound check disk.vmdk
    shows sound-json check --json disk.vmdk
    shows sound check disk.vmdk
    [ "$(ls)" = disk.vmdk ] || fail "left behind: $(ls)"
}

# 100 MiB: four tables; the directories are in sectors 21 and 38.
test_a_disk_without_one_of_its_tables() {
    local copy

    need qemu-img
    vdisk create -t monolithicSparse -s 100M disk.vmdk
    noise 70000 >patch.bin
    vdisk write --offset 5M -i patch.bin disk.vmdk
    same "$(number disk.vmdk $((21 * 512 + 8)))" 30 'redundant table 2'
    same "$(number disk.vmdk $((38 * 512 + 8)))" 47 'table 2'
    for copy in 21 38; do
        poke disk.vmdk $((copy * 512 + 8)) '\0\0\0\0'
    done
    vdisk read --offset 64M --length 1000000 disk.vmdk | cmp -n 1000000 - /dev/zero || fail 'what is missing is no zeros'
    fails_with "it has no grain table 2 \(byte 19464 of the file is 0\).* 'vdisk check --repair'" \
        write --offset 70M -i patch.bin disk.vmdk
    vdisk check disk.vmdk && fail 'it is found sound'
    vdisk check --repair disk.vmdk
    vdisk write --offset 70M -i patch.bin disk.vmdk
    vdisk check disk.vmdk
    qemu-img check -q disk.vmdk
    vdisk read --offset 70M --length 70000 disk.vmdk | cmp - patch.bin
    vdisk read --offset 5M --length 70000 disk.vmdk | cmp - patch.bin
}

test_a_chain_of_snapshots() {
    small_disk
    qemu-img create -q -f vmdk -b disk.vmdk -F vmdk child.vmdk
    qemu-io -f vmdk -c 'write -P 8 100000 70000' child.vmdk >/dev/null
    clear_padding child.vmdk
    shows chain check child.vmdk
    poke disk.vmdk "$gt" '\xff\xff\xff\xff'
    shows chain-parent check --repair child.vmdk
    shows chain-single check --single-link child.vmdk
    qemu-io -f vmdk -c 'write -P 9 1M 64k' disk.vmdk >/dev/null
    status=0
    vdisk check child.vmdk >out || status=$?
    same "$status" 1
    grep -q 'cid-mismatch' out
    rm disk.vmdk
    status=0
    vdisk check child.vmdk >out || status=$?
    same "$status" 1
    grep -q 'parent-missing' out
}

test_a_damaged_entry_is_repaired() {
    small_disk
    qemu-img convert -f vmdk -O raw disk.vmdk want.raw
    cp disk.vmdk copy.vmdk
    poke disk.vmdk "$gt" '\xff\xff\xff\xff'
    shows damaged check disk.vmdk
    shows damaged-json check --json disk.vmdk
    shows repaired check --repair disk.vmdk
    cmp disk.vmdk copy.vmdk
    same "$(qemu-img compare -f vmdk -F raw disk.vmdk want.raw)" 'Images are identical.'
    same "$(head -c 512 disk.vmdk.vdisk-repair-backup | tr -d '\0')" \
        $'vdisk repair backup 1\nbytes: 131072\nfile: disk.vmdk'
    poke disk.vmdk "$rgt" '\x00'
    vdisk check --repair --json disk.vmdk | jq -e '.repaired == 1 and .findings[0].id == "rgt-behind"' >/dev/null
    [ -s disk.vmdk.vdisk-repair-backup.1 ] || fail 'no second backup'
    cmp disk.vmdk copy.vmdk
}

test_a_backup_restores() {
    small_disk
    poke disk.vmdk "$gt" '\xff\xff\xff\xff'
    cp disk.vmdk copy.vmdk
    vdisk check --repair disk.vmdk >/dev/null
    at=$(dd if=disk.vmdk.vdisk-repair-backup bs=512 skip=1 count=1 status=none | tr -d '\0' | sed -n 's/^sector: //p')
    dd if=disk.vmdk.vdisk-repair-backup of=disk.vmdk bs=512 skip=2 seek="$at" count=1 conv=notrunc status=none
    cmp disk.vmdk copy.vmdk
}

test_what_cannot_be_proved_is_left() {
    small_disk
    poke disk.vmdk "$gt" '\xff\xff\xff\xff'
    poke disk.vmdk "$rgt" '\xff\xff\xff\xff'
    cp disk.vmdk copy.vmdk
    shows lost check --repair disk.vmdk
    cmp disk.vmdk copy.vmdk
}

test_what_is_lost_is_given_up_with_consent() {
    small_disk
    poke disk.vmdk "$gt" '\xff\xff\xff\xff'
    poke disk.vmdk "$rgt" '\xff\xff\xff\xff'
    shows salvaged check --repair --salvage disk.vmdk
    qemu-img check -q disk.vmdk
    vdisk check disk.vmdk >/dev/null
}

# A stream whose upload broke off, and one that lost only its end.
test_a_stream_that_was_cut_off() {
    noise 500000 >guest.raw
    truncate -s 1M guest.raw
    vdisk convert -O streamOptimized --level 6 guest.raw whole.vmdk
    head -c -1536 whole.vmdk >disk.vmdk
    fails_with 'footer' map disk.vmdk
    shows footer check --repair disk.vmdk
    cmp disk.vmdk whole.vmdk
    head -c 300000 whole.vmdk >disk.vmdk
    status=0
    vdisk check --repair disk.vmdk >out || status=$?
    same "$status" 1
    same "$(stat -c %s disk.vmdk)" 300000
    vdisk check --repair --salvage disk.vmdk >/dev/null
    vdisk check disk.vmdk >/dev/null
    need qemu-img
    qemu-img check -q disk.vmdk
    qemu-img convert -f vmdk -O raw disk.vmdk got.raw
    cmp -n 196608 got.raw guest.raw # three grains
    vdisk compare disk.vmdk got.raw
}

test_a_leaked_tail_is_cut_off() {
    small_disk
    size=$(stat -c %s disk.vmdk)
    truncate -s +1M disk.vmdk
    shows tail check disk.vmdk
    shows tail-repaired check --repair disk.vmdk
    same "$(stat -c %s disk.vmdk)" "$size"
}

test_a_missing_change_tracking_file() {
    truncate -s 1M disk-flat.vmdk
    descriptor 1 ffffffff vmfs 'RW 2048 VMFS "disk-flat.vmdk"' 'changeTrackPath="disk-ctk.vmdk"' |
        sed 's/^version=1/version=3/' >disk.vmdk
    cp disk.vmdk old.vmdk
    shows tracking check --repair disk.vmdk
    same_files disk.vmdk.vdisk-repair-backup old.vmdk
    same "$(grep -c changeTrackPath disk.vmdk || true)" 0
    grep -q '^version=1$' disk.vmdk
    vdisk check disk.vmdk >/dev/null
}

test_missing_and_shared_files() {
    truncate -s 1M a.bin
    descriptor 1 ffffffff custom 'RW 2048 FLAT "a.bin" 0' 'RW 2048 FLAT "a.bin" 1024' \
        'RW 64 FLAT "b.bin" 0' >disk.vmdk
    shows files check disk.vmdk
}

test_huge_and_empty_is_quick() {
    need qemu-img
    qemu-img create -q -f vmdk disk.vmdk 62T || skip 'the file system has no room'
    timeout 20 "$VDISK" check disk.vmdk >/dev/null
}

test_errors_are_not_answers() {
    truncate -s 1M a.raw
    descriptor 1 ffffffff custom 'RW 2048 ZERO' >z.vmdk
    fails_with 'raw image has no structure' check -f raw z.vmdk
    fails_with 'no-such-disk' check no-such-disk
    fails_with 'a\.raw' check a.raw
    fails_with 'a\.raw' check --repair a.raw
}

run_tests "$@"
