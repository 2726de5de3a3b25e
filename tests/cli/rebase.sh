#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Other parents for children, and the room that copies take.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

# base <- one <- two, and other, which has stretches that base has otherwise or not at all. What two
# shows is want.raw, what one does one.raw.
make_family() {
    local child=$1

    truncate -s 4M base.raw other.raw
    noise 200000 1 | put 70001 base.raw
    noise 200000 2 | put 3000001 base.raw
    noise 100000 3 | put 150001 other.raw
    noise 100000 4 | put 2000001 other.raw
    noise 200000 2 | put 3000001 other.raw
    vdisk convert -O monolithicSparse base.raw base.vmdk
    vdisk convert -O twoGbMaxExtentSparse other.raw other.vmdk
    cp base.raw want.raw
    vdisk create -t "$child" --parent base.vmdk one.vmdk
    change 1000001 5 one.vmdk
    cp want.raw one.raw
    vdisk create -t "$child" --parent one.vmdk two.vmdk
    change 100001 6 two.vmdk
}

change() {
    noise 90000 "$2" >patch.raw
    vdisk write --offset "$1" -i patch.raw "$3"
    put "$1" want.raw <patch.raw
}

reads() {
    vdisk compare --strict "$1" "$2" || fail "'$1' changed"
    vdisk check "$1" || fail "'$1' is damaged"
}

parent_of() { vdisk info --json "$1" | python3 -c '
import json, sys
print(json.load(sys.stdin)["links"][0]["parentHint"])'; }

nothing_temporary() {
    local left

    left=$(find . -name '.vdisk-*')
    [ -z "$left" ] || fail "left behind: $left"
}

test_to_another_parent() {
    local child

    for child in monolithicSparse twoGbMaxExtentSparse vmfsSparse seSparse; do
        make_family "$child"
        md5sum base.vmdk other*.vmdk two*.vmdk >before
        vdisk rebase --parent other.vmdk one.vmdk
        same "$(parent_of one.vmdk)" other.vmdk
        reads one.vmdk one.raw
        reads two.vmdk want.raw
        md5sum -c --quiet before || fail "$child: another disk was changed"
        vdisk rebase --parent base.vmdk two.vmdk
        reads two.vmdk want.raw
        vdisk rebase --parent one.vmdk two.vmdk
        reads two.vmdk want.raw
        vdisk rebase --flatten two.vmdk
        same "$(parent_of two.vmdk)" None
        rm base*.vmdk one*.vmdk other*.vmdk
        reads two.vmdk want.raw
        rm two*.vmdk
        nothing_temporary
    done
}

# qemu-img copies what differs, and then cannot name another parent in a VMDK; so that is done here,
# and what it copied must do. What we copied is looked at with its eyes.
test_as_qemu_does() {
    need qemu-img
    make_family monolithicSparse
    mkdir theirs
    cp ./*.vmdk theirs
    ! qemu-img rebase -f vmdk -F vmdk -b other.vmdk theirs/one.vmdk 2>err || fail 'it can now'
    grep -q 'Could not change the backing file' err
    vdisk rebase --unsafe --parent theirs/other.vmdk theirs/one.vmdk
    vdisk rebase --parent other.vmdk one.vmdk
    reads theirs/one.vmdk one.raw
    for disk in one two; do
        qemu-img check -q "$disk.vmdk"
    done
    qemu-img compare -q -f raw -F vmdk one.raw one.vmdk
    qemu-img compare -q -f raw -F vmdk want.raw two.vmdk
    same "$(vdisk map one.vmdk | grep -c ' data  *0 ')" "$(vdisk map theirs/one.vmdk | grep -c ' data  *0 ')" \
        "stretches held"
    vdisk rebase --flatten two.vmdk
    mv two.vmdk alone.vmdk
    rm one.vmdk base.vmdk other*.vmdk
    qemu-img compare -q -f raw -F vmdk want.raw alone.vmdk
    qemu-img check -q alone.vmdk
}

test_onto_a_copy_nothing_is_copied() {
    make_family monolithicSparse
    vdisk convert -O vmfs one.vmdk copy.vmdk
    size=$(stat -c %s two.vmdk)
    vdisk rebase --parent copy.vmdk two.vmdk
    same "$(stat -c %s two.vmdk)" "$size" "size after rebase"
    reads two.vmdk want.raw
    vdisk rebase --unsafe --parent one.vmdk two.vmdk
    reads two.vmdk want.raw
    # What it says: nothing is looked at.
    vdisk rebase --unsafe --parent other.vmdk two.vmdk
    ! vdisk compare two.vmdk want.raw >/dev/null || fail 'it was not unsafe'
    rm one.vmdk
    vdisk rebase --unsafe --parent copy.vmdk two.vmdk
    reads two.vmdk want.raw
}

# A child of another product leaves what it has in common to its parents.
test_what_a_base_states() {
    make_family monolithicSparse
    printf '# Disk DescriptorFile\nversion=1\nCID=0000000c\nparentCID=%s\ncreateType="vmfsSparse"
parentFileNameHint="base.vmdk"\nRW 8192 VMFSSPARSE "c-delta.vmdk"\n' "$(cid_of base.vmdk)" >c.vmdk
    vdisk create -t vmfsSparse --parent base.vmdk d.vmdk
    cp d-delta.vmdk c-delta.vmdk
    want=$(vdisk meta get c.vmdk geometry.cylinders)
    vdisk rebase --flatten c.vmdk
    same "$(vdisk meta list c.vmdk | grep cylinders)" "geometry.cylinders = $want"
    same "$(vdisk meta get c.vmdk adapterType)" lsilogic
    reads c.vmdk base.raw
}

cid_of() { vdisk info --json "$1" | python3 -c '
import json, sys
print(json.load(sys.stdin)["links"][0]["cid"])'; }

test_refusals() {
    make_family monolithicSparse
    vdisk create -t monolithicSparse -s 5M larger.vmdk
    vdisk convert -O streamOptimized other.raw stream.vmdk
    md5sum ./*.vmdk >before
    fails_with "expected either --parent DISK or --flatten" rebase one.vmdk
    fails_with "expected either --parent DISK or --flatten" rebase --flatten --parent a one.vmdk
    fails_with "and --unsafe nothing" rebase --flatten --unsafe one.vmdk
    fails_with "'base.vmdk': it is a base disk" rebase --flatten base.vmdk
    fails_with "'base.vmdk': it is a base disk" rebase --parent other.vmdk base.vmdk
    fails_with "the parent is the child itself" rebase --parent one.vmdk one.vmdk
    fails_with "the parent rests on the child itself" rebase --parent two.vmdk one.vmdk
    fails_with "it has 8192 sectors, the parent 10240" rebase --parent larger.vmdk one.vmdk
    fails_with "no-such" rebase --parent no-such.vmdk one.vmdk
    fails_with "no-such" rebase --flatten no-such.vmdk
    md5sum -c --quiet before || fail "something was changed"
    mv base.vmdk away
    fails_with "base.vmdk" rebase --parent other.vmdk one.vmdk
    mv away base.vmdk
    change 0 8 base.vmdk
    fails_with "was changed after the child was made" rebase --parent other.vmdk one.vmdk
    vdisk rebase --parent stream.vmdk --ignore-cid one.vmdk 2>/dev/null
    vdisk read one.vmdk >/dev/null
    nothing_temporary
}

types='monolithicSparse monolithicFlat twoGbMaxExtentSparse twoGbMaxExtentFlat vmfs vmfsThin vmfsSparse seSparse streamOptimized raw'

used() {
    local total=0 file blocks

    for file in "$1"*; do
        blocks=$(stat -c %b "$file")
        total=$((total + blocks * 512))
    done
    echo "$total"
}

# What is promised is enough, and not much more than what it comes to.
test_space_beside_what_is_used() {
    local type told took most

    truncate -s 64M a.raw
    noise 3000000 | dd of=a.raw bs=1M seek=7 conv=notrunc status=none
    noise 100000 2 | dd of=a.raw bs=1M seek=60 conv=notrunc status=none
    vdisk convert -O monolithicSparse a.raw from.vmdk
    for type in $types; do
        told=$(vdisk space -O "$type" from.vmdk)
        vdisk convert -O "$type" from.vmdk copy.vmdk
        took=$(used copy)
        [ "$took" -le "$told" ] || fail "$type: told $told, took $took"
        most=$((took + took / 4 + 3000000))
        [ "$told" -le "$most" ] || fail "$type: told $told, took only $took"
        [ "$type" = raw ] || vdisk rm copy.vmdk
    done
    same "$(vdisk space from.vmdk)" "$(vdisk space -O monolithicSparse from.vmdk)"
}

test_space_as_json() {
    vdisk create -t monolithicFlat -s 1M a.vmdk
    shows space-json space --json -O vmfs a.vmdk
    shows space-json-own space --json a.vmdk
    fails_with "space knows no type 'qcow2'" space -O qcow2 a.vmdk
    fails_with "no-such" space no-such
}

run_tests "$@"
