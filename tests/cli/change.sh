#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Making and changing disks, seen with qemu-img's eyes too.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

types='monolithicSparse monolithicFlat twoGbMaxExtentSparse twoGbMaxExtentFlat vmfs vmfsThin vmfsSparse seSparse'

# 4 MiB with a few stretches of data.
make_raw() {
    truncate -s 4M "$1"
    noise 70001 "${2:-7}" | put 131073 "$1"
    noise 512 9 | dd of="$1" bs=512 seek=8191 conv=notrunc status=none
}

# Those qemu-img knows; it reads a vmfsSparse disk only as a child.
qemu_agrees() {
    case $1 in vmfsSparse*) return ;; esac
    [ "$(qemu-img compare -f raw -F vmdk want.raw "$1")" = "Images are identical." ] ||
        fail "qemu-img reads something else in $1"
    case $1 in *parse.vmdk) qemu-img check -q "$1" || fail "qemu-img check finds faults in $1" ;; esac
}

nothing_temporary() {
    local left

    left=$(find . -name '.vdisk-*' -o -name '*.partial')
    [ -z "$left" ] || fail "left behind: $left"
}

test_every_type_from_every_type() {
    local from to

    need qemu-img
    make_raw want.raw
    for from in $types streamOptimized; do
        vdisk convert -O "$from" want.raw "from-$from.vmdk"
        qemu_agrees "from-$from.vmdk"
    done
    for from in $types streamOptimized; do
        for to in $types streamOptimized; do
            vdisk convert -O "$to" "from-$from.vmdk" "$to.vmdk"
            vdisk compare --strict "$to.vmdk" want.raw || fail "$from to $to"
            qemu_agrees "$to.vmdk"
            vdisk rm "$to.vmdk"
        done
    done
    nothing_temporary
}

test_streams_through_pipes() {
    make_raw want.raw
    vdisk convert -O streamOptimized want.raw - >a.vmdk
    vdisk convert -O streamOptimized - - <a.vmdk >b.vmdk
    vdisk compare b.vmdk want.raw
    vdisk convert -O monolithicSparse - c.vmdk <b.vmdk
    vdisk compare c.vmdk want.raw
    vdisk convert - d.raw <b.vmdk
    same_files d.raw want.raw
    nothing_temporary
}

test_existing_targets() {
    make_raw want.raw
    vdisk create -t monolithicFlat -s 1M a.vmdk
    fails_with "'a.vmdk' exists" convert -O vmfs want.raw a.vmdk
    fails_with "there is something of that name" create -t vmfs -s 1M a.vmdk
    vdisk create -t streamOptimized -s 1M stream.vmdk
    [ "$(vdisk map --json stream.vmdk | jq -c '[.runs[].kind]')" = '["absent"]' ] || fail 'not empty'
    fails_with "there is something of that name" create -t streamOptimized -s 1M stream.vmdk
    vdisk create -t twoGbMaxExtentFlat -s 1M split.vmdk
    vdisk convert --overwrite -O streamOptimized want.raw split.vmdk
    vdisk compare split.vmdk want.raw
    [ ! -e split-f001.vmdk ] || fail 'the extent of a replaced disk is left'
    vdisk convert --overwrite -O monolithicSparse want.raw a.vmdk
    vdisk compare a.vmdk want.raw
    [ ! -e a-flat.vmdk ] || fail "the old extent is still there"
    fails_with "is a file of the source" convert --overwrite -O vmfs a.vmdk a.vmdk
    fails_with "does not end in .vmdk" convert -O vmfs want.raw b.raw
    nothing_temporary
}

test_interrupted_convert_leaves_nothing() {
    local status=0

    truncate -s 1G big.raw
    noise 16777216 | dd of=big.raw conv=notrunc status=none
    for type in monolithicFlat streamOptimized; do
        "$VDISK" convert --level 12 -O "$type" big.raw t.vmdk 2>err &
        kill -TERM $!
        wait $! || status=$?
        same "$(find . -name '*.vmdk')" "" "$type: left behind"
    done
}

# write, snapshot, commit
test_chain() {
    local base child

    need qemu-img
    for base in monolithicSparse twoGbMaxExtentFlat vmfs; do
        for child in monolithicSparse twoGbMaxExtentSparse vmfsSparse seSparse; do
            make_raw want.raw
            vdisk convert -O "$base" want.raw base.vmdk
            vdisk create -t "$child" --parent base.vmdk one.vmdk
            noise 300001 3 >patch.raw
            vdisk write --offset 100001 -i patch.raw one.vmdk
            put 100001 want.raw <patch.raw
            vdisk compare one.vmdk want.raw
            vdisk create -t "$child" --parent one.vmdk two.vmdk
            vdisk commit one.vmdk
            [ ! -e one.vmdk ] || fail "the child is still there"
            vdisk compare base.vmdk want.raw
            vdisk compare two.vmdk want.raw
            qemu-img compare -q -f raw -F vmdk want.raw base.vmdk
            vdisk rm two.vmdk
            vdisk rm base.vmdk
            same "$(find . -name '*.vmdk')" "" "$base $child: files"
        done
    done
}

test_grow_shrink_defrag_rename() {
    local type

    need qemu-img
    for type in $types; do
        make_raw want.raw
        vdisk convert -O "$type" want.raw a.vmdk
        truncate -s 5M want.raw
        vdisk grow -s 5M a.vmdk
        head -c 70001 /dev/zero | vdisk write --offset 131073 a.vmdk
        head -c 70001 /dev/zero | put 131073 want.raw
        vdisk shrink a.vmdk
        vdisk defrag a.vmdk
        vdisk rename a.vmdk "$type.vmdk"
        vdisk compare --strict "$type.vmdk" want.raw
        same "$(vdisk check --json "$type.vmdk" | grep -E '"(leaks|faults)"' | tr -d ' \n')" '"leaks":0,"faults":0,'
        qemu_agrees "$type.vmdk"
        vdisk rm "$type.vmdk"
        same "$(find . -name '*.vmdk')" "" "$type: files"
    done
}

test_refusals() {
    vdisk create -t monolithicSparse -s 1M base.vmdk
    vdisk create -t monolithicSparse --parent base.vmdk child.vmdk
    fails_with "it is the parent of '.*child.vmdk'" grow -s 2M base.vmdk
    fails_with "it is the parent of '.*child.vmdk'" rm base.vmdk
    fails_with "it is a child" grow -s 2M child.vmdk
    fails_with "it is a child of 'base.vmdk'" shrink child.vmdk
    fails_with "has no parent" commit base.vmdk
    fails_with "the parent rests on the child itself" attach child.vmdk base.vmdk
    vdisk create -t monolithicSparse --parent base.vmdk other.vmdk
    noise 512 | vdisk write child.vmdk
    fails_with "is also that of '.*'" commit child.vmdk
    vdisk rm other.vmdk
    vdisk rename base.vmdk moved.vmdk 2>err
    grep -q "child.vmdk' names 'base.vmdk' as its parent" err || fail "the child was not told"
    fails_with "base.vmdk" read child.vmdk
    vdisk attach moved.vmdk child.vmdk
    vdisk read child.vmdk >/dev/null
}

test_refusal_of_what_only_esxi_writes() {
    local operation

    vdisk create -t seSparse -s 1M a.vmdk
    printf x | dd of=a-sesparse.vmdk bs=512 seek=2048 conv=notrunc status=none
    cp a-sesparse.vmdk before
    for operation in 'grow -s 2M' shrink defrag; do
        # shellcheck disable=SC2086
        fails_with "its journal is in use .*, as in files of ESXi" $operation a.vmdk
    done
    cmp a-sesparse.vmdk before
}

test_commit_with_a_locked_grandchild() {
    vdisk create -t monolithicSparse -s 1M base.vmdk
    vdisk create -t monolithicSparse --parent base.vmdk child.vmdk
    vdisk create -t vmfsSparse --parent child.vmdk grandchild.vmdk
    printf data | vdisk write --offset 0 child.vmdk
    cp base.vmdk before
    mkdir grandchild-delta.vmdk.lck
    : >grandchild-delta.vmdk.lck/M12345.lck
    fails_with "cannot commit 'child.vmdk': .*grandchild-delta.vmdk" commit child.vmdk
    cmp base.vmdk before
    rm -r grandchild-delta.vmdk.lck
    vdisk commit child.vmdk
    same "$(vdisk read --length 4 grandchild.vmdk)" data
}

test_meta() {
    vdisk create -t monolithicFlat -s 1M -a ide a.vmdk
    same "$(vdisk meta get a.vmdk adapterType)" ide
    vdisk meta set a.vmdk comment "what it is for"
    same "$(vdisk meta get a.vmdk comment)" "what it is for"
    same "$(vdisk meta list a.vmdk | grep comment)" "comment = what it is for"
    same "$(vdisk meta get --json a.vmdk comment | tr -d ' \n')" '{"comment":"whatitisfor"}'
    fails_with "has no key 'frob'" meta get a.vmdk frob
    fails_with "quotes or line ends" meta set a.vmdk comment 'a "b"'
}

run_tests "$@"
