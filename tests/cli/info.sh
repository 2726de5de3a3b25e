#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

ddb() {
    printf 'ddb.adapterType = "lsilogic"\nddb.geometry.cylinders = "4"\nddb.geometry.heads = "64"\n'
    printf 'ddb.geometry.sectors = "32"\nddb.uuid = "60 00 C2 92 7b f4 0d ee-e9 08 12 5d bc 4f ab 26"\n'
    printf 'ddb.virtualHWVersion = "13"\nddb.longContentID = "3ca4d6ec709912129cf7ecb7216bc064"\n'
}

# Two flat extents, the second one from the middle of its file.
flat_disk() {
    {
        descriptor 216bc064 ffffffff twoGbMaxExtentFlat \
            'RW 4096 FLAT "base-f001.vmdk" 0' 'RW 4096 FLAT "base-f002.vmdk" 8'
        ddb
    } >base.vmdk
    noise 2097152 >base-f001.vmdk
    noise 2101248 2 >base-f002.vmdk
}

test_flat() {
    flat_disk
    shows flat info base.vmdk
    shows flat-json info --json base.vmdk
    vdisk info --json base.vmdk | jq -e '.capacity == 4194304 and .allocated == 4194304' >/dev/null
}

test_a_missing_extent_is_told_and_the_rest_shown() {
    flat_disk
    rm base-f001.vmdk
    shows missing-extent info base.vmdk
    shows missing-extent-json info --json base.vmdk
}

test_a_short_extent_is_told() {
    flat_disk
    truncate -s 1000 base-f002.vmdk
    shows short-extent info base.vmdk
}

test_chain() {
    flat_disk
    descriptor 00000002 216bc064 monolithicFlat 'parentFileNameHint="base.vmdk"' \
        'RW 8192 ZERO' 'changeTrackPath="child-ctk.vmdk"' >child.vmdk
    shows chain info child.vmdk
    shows chain-json info --json child.vmdk
    shows chain-single info --single-link child.vmdk
}

test_a_missing_parent_is_told_and_the_rest_shown() {
    descriptor 00000002 216bc064 monolithicFlat 'parentFileNameHint="base.vmdk"' 'RW 8192 ZERO' >child.vmdk
    shows missing-parent info child.vmdk
    vdisk info --json child.vmdk 2>/dev/null >json || true
    jq -e '.problem and .allocated == null and .capacity == 4194304' json >/dev/null
}

test_a_changed_parent_is_told() {
    flat_disk
    descriptor 00000002 11111111 monolithicFlat 'parentFileNameHint="base.vmdk"' 'RW 8192 ZERO' >child.vmdk
    shows changed-parent info child.vmdk
}

test_a_parent_elsewhere() {
    mkdir parents
    (cd parents && flat_disk)
    descriptor 00000002 216bc064 monolithicFlat 'parentFileNameHint="base.vmdk"' 'RW 8192 ZERO' >child.vmdk
    vdisk info --json --parent-dir nowhere --parent-dir parents --allow-outside child.vmdk >json
    same "$(jq -r '.links[1].path' json)" parents/base.vmdk
}

test_raw() {
    { noise 65536; } >disk.raw
    truncate -s 1M disk.raw
    export FILTER='^(Allocated +|  "allocated": ).*'
    shows raw info disk.raw
    shows raw-json info --json disk.raw
    vdisk info --json disk.raw | jq -e '.allocated <= .capacity' >/dev/null
}

test_content_decides_what_it_is() {
    descriptor 1 ffffffff monolithicFlat 'RW 2048 ZERO' >descriptor.txt
    same "$(vdisk info --json descriptor.txt | jq -r .format)" vmdk
    same "$(vdisk info --json -f raw descriptor.txt | jq -r .format)" raw
    truncate -s 1M zeros.vmdk
    fails_with "zeros.vmdk" info zeros.vmdk
    same "$(vdisk info --json -f raw zeros.vmdk | jq -r .format)" raw
    mv zeros.vmdk zeros.raw
    fails_with "zeros.raw" info -f vmdk zeros.raw
}

FORMAT_FILTER='(content ID +|"cid": ")[0-9a-f]+'

test_monolithic_sparse() {
    need qemu-img
    noise 300000 >guest
    truncate -s 20M guest
    qemu-img convert -f raw -O vmdk guest sparse.vmdk
    export FILTER=$FORMAT_FILTER
    shows sparse info sparse.vmdk
    shows sparse-json info --json sparse.vmdk
}

test_stream_optimized() {
    need qemu-img
    noise 300000 >guest
    truncate -s 20M guest
    qemu-img convert -f raw -O vmdk -o subformat=streamOptimized guest stream.vmdk
    export FILTER="$FORMAT_FILTER|(file size +|\"fileSize\": ).*"
    shows stream info stream.vmdk
}

test_every_subformat_is_valid_json() {
    local subformat

    need qemu-img jq
    noise 300000 >guest
    truncate -s 5M guest
    for subformat in monolithicSparse monolithicFlat twoGbMaxExtentSparse twoGbMaxExtentFlat streamOptimized; do
        qemu-img convert -f raw -O vmdk -o "subformat=$subformat" guest "$subformat.vmdk"
        vdisk info --json "$subformat.vmdk" >json
        same "$(jq -r .createType json)" "$subformat"
        same "$(jq -r .capacity json)" 5242880
        same "$(jq -r .problem json)" null
        jq -e '.allocated >= 300000' json >/dev/null
    done
}

test_truncated_sparse() {
    need qemu-img
    qemu-img create -q -f vmdk sparse.vmdk 1G
    truncate -s 3000 sparse.vmdk
    export FILTER=$FORMAT_FILTER
    shows truncated info sparse.vmdk
}

test_not_a_disk() {
    : >empty.vmdk
    echo hello >text.vmdk
    mkdir folder
    fails_with 'empty.vmdk' info empty.vmdk
    fails_with 'text.vmdk' info text.vmdk
    fails_with 'folder' info folder
}

test_names_from_descriptors_do_not_steer_the_terminal() {
    descriptor 1 ffffffff monolithicFlat $'RW 2048 FLAT "a\033[2Jb" 0' >disk.vmdk
    vdisk info disk.vmdk >out 2>err || true
    if grep -q $'\033' out err; then fail 'an escape came through'; fi
    grep -q 'a\\x1b\[2Jb' out err
}

test_a_descriptor_opens_nothing_outside() {
    mkdir disk
    truncate -s 1M outside
    descriptor 1 ffffffff monolithicFlat 'RW 2048 FLAT "../outside" 0' >disk/disk.vmdk
    shows outside info disk/disk.vmdk
    vdisk info --json --allow-outside disk/disk.vmdk | jq -e '.problem == null' >/dev/null
}

run_tests "$@"
