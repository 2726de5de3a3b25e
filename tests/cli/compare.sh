#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

test_formats_do_not_matter() {
    local subformat

    need qemu-img
    noise 3000000 >guest.raw
    truncate -s 5M guest.raw
    for subformat in streamOptimized monolithicSparse monolithicFlat twoGbMaxExtentSparse twoGbMaxExtentFlat; do
        qemu-img convert -f raw -O vmdk -o "subformat=$subformat" guest.raw "$subformat.vmdk"
        same "$(vdisk compare guest.raw "$subformat.vmdk")" 'Same content.'
        same "$(vdisk compare streamOptimized.vmdk "$subformat.vmdk")" 'Same content.'
    done
}

test_the_first_byte_that_differs() {
    noise 3000000 >a.raw
    truncate -s 3072000 a.raw
    cp a.raw b.raw
    printf 'x' | put 2345678 b.raw
    shows differs compare a.raw b.raw
    shows differs-json compare --json a.raw b.raw
}

test_a_larger_disk() {
    noise 1048576 >a.raw
    cp a.raw b.raw
    truncate -s 2M b.raw
    shows larger compare a.raw b.raw
    shows larger-swapped compare b.raw a.raw
    shows larger-json compare --json a.raw b.raw
    shows larger-strict compare --strict a.raw b.raw
    shows larger-strict-json compare --strict --json a.raw b.raw
    printf 'x' | put 1500000 b.raw
    shows larger-data compare a.raw b.raw
}

test_a_snapshot_and_its_base() {
    need qemu-img
    noise 1048576 >guest
    qemu-img convert -f raw -O vmdk guest base.vmdk
    qemu-img create -q -f vmdk -b base.vmdk -F vmdk child.vmdk
    same "$(vdisk compare base.vmdk child.vmdk)" 'Same content.'
    qemu-io -f vmdk -c 'write -P 7 131072 512' child.vmdk >/dev/null
    shows snapshot compare base.vmdk child.vmdk
}

test_huge_and_empty_is_quick() {
    descriptor 1 ffffffff custom 'RW 133143986176 ZERO' >a.vmdk
    descriptor 2 ffffffff custom 'RW 133143986177 ZERO' >b.vmdk
    timeout 10 "$VDISK" compare a.vmdk b.vmdk >/dev/null
}

test_errors_are_not_answers() {
    truncate -s 1M a.raw
    descriptor 1 ffffffff monolithicFlat 'RW 2048 FLAT "missing.bin" 0' >broken.vmdk
    fails_with 'missing.bin' compare a.raw broken.vmdk
    fails_with 'missing.bin' compare broken.vmdk a.raw
}

run_tests "$@"
