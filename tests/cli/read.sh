#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

disk() {
    need qemu-img
    noise 3000000 >guest
    truncate -s 5M guest
    qemu-img convert -f raw -O vmdk -o subformat=streamOptimized guest disk.vmdk
}

test_any_range() {
    local range offset length

    disk
    for range in 0:1 0:512 1:1 511:2 512:512 65535:2 1000000:2000001 2999990:100 5242879:1 5242880:0 0:5242880; do
        offset=${range%:*} length=${range#*:}
        vdisk read --offset "$offset" --length "$length" disk.vmdk >got
        tail -c +$((offset + 1)) guest | head -c "$length" >want || true
        same_files got want
    done
}

test_sizes_take_units() {
    disk
    vdisk read --offset 1M --length 1.5K disk.vmdk >got
    tail -c +1048577 guest | head -c 1536 >want || true
    same_files got want
    vdisk read --offset 4M disk.vmdk >got
    tail -c 1048576 guest >want
    same_files got want
    vdisk read disk.vmdk >got
    same_files got guest
}

test_past_the_end_nothing_is_written() {
    disk
    shows past-end read --offset 5242879 --length 2 disk.vmdk
    fails_with 'the disk ends at byte 5242880' read --offset 5242881 disk.vmdk
    fails_with 'the disk ends at byte 5242880' read --offset 16777215T --length 16777215T disk.vmdk
    fails_with 'the disk ends at byte 5242880' read --length 6M -o out disk.vmdk
    [ ! -e out ] || fail 'a file was made'
    no_partial
}

test_into_a_file() {
    disk
    vdisk read --length 100000 -o out disk.vmdk
    head -c 100000 guest >want
    same_files out want
    fails_with "'out' exists" read --length 1 -o out disk.vmdk
    same_files out want
    vdisk read --length 1 -o out --overwrite disk.vmdk
    same "$(stat -c %s out)" 1
    fails_with 'is a file of the source' read -o disk.vmdk --overwrite disk.vmdk
    no_partial
}

test_a_damaged_grain_is_an_error() {
    disk
    printf 'garbage garbage' | put $((128 * 512 + 600)) disk.vmdk
    status=0
    vdisk read -o out disk.vmdk 2>err || status=$?
    same "$status" 2
    same "$(wc -l <err)" 1
    [ ! -e out ] || fail 'a file was made'
    no_partial
}

# Parts that only the parent holds are an error when the parent is not to be opened.
test_single_link() {
    need qemu-img
    noise 1048576 >guest
    qemu-img convert -f raw -O vmdk guest base.vmdk
    qemu-img create -q -f vmdk -b base.vmdk -F vmdk child.vmdk
    qemu-io -f vmdk -c 'write -P 7 0 64k' child.vmdk >/dev/null
    vdisk read --single-link --length 64k child.vmdk >got
    same "$(tr -d '\007' <got | wc -c)" 0
    fails_with 'child.vmdk' read --single-link --offset 64k --length 1 child.vmdk
}

test_unbuffered() {
    disk
    vdisk read --unbuffered --offset 12345 --length 999999 disk.vmdk >got
    tail -c +12346 guest | head -c 999999 >want || true
    same_files got want
}

run_tests "$@"
