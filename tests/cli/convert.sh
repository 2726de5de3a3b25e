#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

subformats='monolithicSparse monolithicFlat twoGbMaxExtentSparse twoGbMaxExtentFlat streamOptimized'

# Runs of data and of nothing, of many lengths, ending inside a grain.
guest() {
    python3 - <<'EOF' >guest
import random, sys
random.seed(3)
total = 0
while total < 20 << 20:
    length = random.choice([512, 4096, 65536, 100352, 1 << 20])
    sys.stdout.buffer.write(random.randbytes(length) if random.random() < .5 else bytes(length))
    total += length
EOF
    truncate -s $((40 * 1048576 + 512)) guest
}

test_every_subformat() {
    local subformat

    need qemu-img
    guest
    for subformat in $subformats; do
        qemu-img convert -f raw -O vmdk -o "subformat=$subformat" guest "$subformat.vmdk"
        vdisk convert -O raw "$subformat.vmdk" "$subformat.raw"
        same_files guest "$subformat.raw"
        cmp -s guest "$subformat.raw"
    done
    no_partial
}

test_a_chain() {
    need qemu-img
    guest
    qemu-img convert -f raw -O vmdk guest base.vmdk
    qemu-img create -q -f vmdk -b base.vmdk -F vmdk one.vmdk
    qemu-io -f vmdk -c 'write -P 7 100000 900000' one.vmdk >/dev/null
    qemu-img create -q -f vmdk -b one.vmdk -F vmdk two.vmdk
    qemu-io -f vmdk -c 'write -P 8 500000 4096' two.vmdk >/dev/null
    qemu-img convert -O raw two.vmdk want
    vdisk convert two.vmdk got
    same_files want got
}

test_a_changed_parent_is_refused_unless_told() {
    noise 1048576 >base.bin
    descriptor 11111111 ffffffff monolithicFlat 'RW 2048 FLAT "base.bin" 0' >base.vmdk
    descriptor 00000002 22222222 vmfsSparse 'parentFileNameHint="base.vmdk"' 'RW 2048 ZERO' >child.vmdk
    fails_with 'base.vmdk.*11111111.*22222222' convert child.vmdk out
    [ ! -e out ] || fail 'a target was made'
    vdisk convert --ignore-cid child.vmdk out 2>err
    same "$(wc -l <err)" 1
    grep -q '^vdisk: warning: ' err
    truncate -s 1M zeros
    same_files zeros out
}

test_holes() {
    need qemu-img
    qemu-img create -q -f vmdk disk.vmdk 1G
    qemu-io -f vmdk -c 'write -P 7 500M 1M' -c 'write -z 600M 64k' -c 'write -P 0 700M 4M' disk.vmdk >/dev/null
    vdisk convert disk.vmdk out
    same "$(stat -c %s out)" 1073741824
    [ "$(stat -c %b out)" -le $((1536 * 2)) ] || skip 'the file system makes no holes'
    qemu-img compare -f vmdk -F raw disk.vmdk out >&2
}

test_huge_and_sparse_is_quick() {
    need qemu-img
    qemu-img create -q -f vmdk disk.vmdk 2000G
    truncate -s 2000G probe 2>/dev/null || skip 'the file system takes no large files'
    timeout 20 "$VDISK" convert disk.vmdk out
    same "$(stat -c %s out)" 2147483648000
}

test_an_existing_target_is_kept() {
    truncate -s 1M a.raw
    echo precious >out
    fails_with "target 'out' exists" convert a.raw out
    same "$(cat out)" precious
    vdisk convert --overwrite a.raw out
    same_files a.raw out
    no_partial
}

test_a_target_that_is_the_source() {
    need qemu-img
    noise 1048576 >guest
    qemu-img convert -f raw -O vmdk -o subformat=monolithicFlat guest base.vmdk
    descriptor 1 "$(sed -n 's/^CID=//p' base.vmdk)" monolithicFlat 'parentFileNameHint="base.vmdk"' \
        'RW 2048 ZERO' >child.vmdk
    ln base-flat.vmdk hard
    ln -s base.vmdk soft
    sha256sum ./*.vmdk >before
    for target in child.vmdk base.vmdk base-flat.vmdk hard soft; do
        fails_with "'$target' is a file of the source 'child.vmdk'" convert --overwrite child.vmdk "$target"
        fails_with "'$target' is a file of the source 'child.vmdk'" convert child.vmdk "$target"
    done
    fails_with "is a file of the source 'guest'" convert --overwrite guest guest
    sha256sum --quiet -c before >&2
    no_partial
}

test_standard_output_that_is_the_source() {
    noise 1048576 >a.raw
    cp a.raw want
    status=0
    vdisk convert a.raw - 1<>a.raw 2>err || status=$?
    same "$status" 2
    grep -q 'is a file of the source' err
    same_files want a.raw
}

test_targets_that_cannot_be() {
    truncate -s 1M a.raw
    mkdir folder
    ln -s nowhere dangling
    fails_with "'folder': it is a folder" convert --overwrite a.raw folder
    fails_with 'leads nowhere' convert --overwrite a.raw dangling
    fails_with 'no-folder/out' convert a.raw no-folder/out
    fails_with 'no file name' convert a.raw no-folder/
    no_partial
}

test_a_source_that_breaks_leaves_nothing() {
    need qemu-img
    noise 3000000 >guest
    truncate -s 5M guest
    qemu-img convert -f raw -O vmdk -o subformat=streamOptimized guest disk.vmdk
    printf 'garbage garbage' | put 1500000 disk.vmdk
    fails_with 'disk.vmdk' convert disk.vmdk out
    [ ! -e out ] || fail 'a target was made'
    echo old >out
    fails_with 'disk.vmdk' convert --overwrite disk.vmdk out
    same "$(cat out)" old
    no_partial
}

test_no_space() {
    [ "$(id -u)" = 0 ] || skip 'only root can mount a small file system'
    mkdir small
    mount -t tmpfs -o size=1m tmpfs small 2>/dev/null || skip 'mounting is not allowed here'
    trap 'umount small' EXIT
    noise 3000000 >a.raw
    fails_with "small/out.*No space left" convert a.raw small/out
    same "$(ls -A small)" ''
    umount small
    trap - EXIT
}

test_a_full_device() {
    [ -w /dev/full ] || skip 'no /dev/full'
    truncate -s 1M a.raw
    fails_with '/dev/full.*No space left' convert a.raw /dev/full
}

test_mode_follows_the_umask() {
    truncate -s 1M a.raw
    (umask 027 && vdisk convert a.raw out)
    same "$(stat -c %a out)" 640
}

test_progress() {
    noise 3000000 >a.raw
    vdisk convert a.raw one 2>err
    [ ! -s err ] || fail 'progress was shown although there is no terminal'
    vdisk convert -p a.raw two 2>err
    tail -n 1 err | grep -Eq '^100.0%  2.86 MiB of 2.86 MiB, [0-9.]+ [KMG]?i?B/s$' || fail "$(cat err)"
}

test_progress_on_a_terminal() {
    need script
    noise 3000000 >a.raw
    script -qec "'$VDISK' convert a.raw out" /dev/null >typescript </dev/null
    grep -q '100.0%  2.86 MiB of 2.86 MiB' typescript || fail "$(cat -v typescript)"
    script -qec "'$VDISK' convert a.raw -" /dev/null >typescript </dev/null && fail 'no refusal'
    grep -q 'standard output is a terminal' typescript
}

test_single_link_leaves_holes() {
    need qemu-img
    noise 1048576 >guest
    qemu-img convert -f raw -O vmdk guest base.vmdk
    qemu-img create -q -f vmdk -b base.vmdk -F vmdk child.vmdk
    qemu-io -f vmdk -c 'write -P 7 64k 64k' child.vmdk >/dev/null
    vdisk convert --single-link child.vmdk out
    truncate -s 1M want
    head -c 65536 /dev/zero | tr '\0' '\007' | dd of=want bs=64k seek=1 conv=notrunc status=none
    same_files want out
}

test_raw_to_raw() {
    noise 100001 >a.bin
    vdisk convert a.bin out
    truncate -s 100352 a.bin # a disk is whole sectors
    same_files a.bin out
}

test_unbuffered() {
    need qemu-img
    guest
    qemu-img convert -f raw -O vmdk guest disk.vmdk
    vdisk convert --unbuffered disk.vmdk out
    same_files guest out
}

test_a_block_device() {
    local loop

    [ "$(id -u)" = 0 ] || skip 'only root can make a loop device'
    noise 1048576 >a.raw
    truncate -s 3M a.raw
    noise 4194304 2 >backing
    loop=$(losetup --show -f backing 2>/dev/null) || skip 'no loop devices here'
    trap 'losetup -d "$loop"' EXIT
    vdisk convert a.raw "$loop"
    head -c 3M "$loop" >got
    same_files a.raw got
    same "$(vdisk info --json "$loop" | jq -r .format)" raw
    truncate -s 5M a.raw
    fails_with 'has 4194304 bytes, the disk needs 5242880' convert a.raw "$loop"
    losetup -d "$loop"
    trap - EXIT
}

run_tests "$@"
