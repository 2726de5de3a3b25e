#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

disk() {
    need qemu-img
    noise 3000000 >guest
    truncate -s 8M guest
    qemu-img convert -f raw -O vmdk -o "subformat=${1:-monolithicSparse}" guest disk.vmdk
}

# of_row N KEY: a value of the N-th row of the JSON in `got`.
of_row() { python3 -c 'import json, sys
print(json.load(open("got"))["rows"][int(sys.argv[1])][sys.argv[2]])' "$1" "$2"; }

test_reads_and_tells() {
    disk
    vdisk bench disk.vmdk >got || fail 'bench'
    same "$(wc -l <got)" 4
    grep -q '^Test .*Depth .*MiB/s' got || fail "$(head -1 got)"
    grep -q '^read in order, 1024 KiB  *1 ' got || fail 'no row for reading in order'
    grep -q '^read at random, 4 KiB  *32 ' got || fail 'no row with many at a time'
}

test_json_counts_what_was_moved() {
    need python3
    disk
    vdisk bench --json --depth 3 disk.vmdk >got || fail 'bench'
    same "$(of_row 0 bytes)" 8388608
    same "$(of_row 0 operations)" 8
    same "$(of_row 0 order)" sequential
    same "$(of_row 1 operations)" 2048
    same "$(of_row 2 bytes)" 8388608
    same "$(of_row 2 depth)" 3
    vdisk bench --json --amount 64K --depth 1 disk.vmdk >got || fail 'bench'
    same "$(of_row 1 operations)" 16
    same "$(grep -c operation\" got)" 2
}

test_a_disk_is_only_read() {
    disk
    cp disk.vmdk before.vmdk
    chmod a-w disk.vmdk
    vdisk bench disk.vmdk >got || fail 'bench'
    same_files disk.vmdk before.vmdk
    disk streamOptimized
    vdisk bench disk.vmdk >got || fail 'bench of a stream'
    same "$(wc -l <got)" 4
}

test_writing_leaves_content_and_size() {
    need python3
    disk
    cp disk.vmdk before.vmdk
    vdisk bench --json --write --amount 2M disk.vmdk >got || fail 'bench'
    same "$(of_row 3 operation)" write
    same "$(of_row 3 operations)" 2
    [ "$(of_row 4 operations)" -gt 0 ] || fail 'nothing was written at random'
    [ "$(of_row 5 operations)" = "$(of_row 4 operations)" ] || fail 'other blocks with many'
    vdisk compare disk.vmdk guest || fail 'the content changed'
    vdisk check disk.vmdk >found || fail "$(cat found)"
    same "$(stat -c %s disk.vmdk)" "$(stat -c %s before.vmdk)"
    disk streamOptimized
    fails_with 'compressed' bench --write disk.vmdk
}

test_a_child_gets_no_grains_of_its_parent() {
    need python3
    disk
    vdisk create -t monolithicSparse --parent disk.vmdk child.vmdk || fail 'create'
    vdisk map child.vmdk >runs
    vdisk bench --json --write child.vmdk >got || fail 'bench'
    same "$(of_row 0 bytes)" 8388608
    same "$(of_row 3 operations)" 0
    same "$(of_row 4 operations)" 0
    vdisk map child.vmdk >after
    same_files runs after
}

test_raw_images_and_odd_sizes() {
    need python3
    noise 1049088 >odd.raw
    vdisk bench --json -f raw odd.raw >got || fail 'bench'
    same "$(of_row 0 bytes)" 1049088
    same "$(of_row 1 operations)" 257
    same "$(of_row 2 bytes)" 1049088
    vdisk bench --json --unbuffered -f raw odd.raw >got || fail 'unbuffered'
    same "$(of_row 0 bytes)" 1049088
}

test_what_is_wrong_is_said() {
    disk
    fails_with "'none.vmdk'" bench none.vmdk
    fails_with "depth is '0', expected 1 to 64" bench --depth 0 disk.vmdk
    fails_with "depth is '65', expected 1 to 64" bench --depth 65 disk.vmdk
    fails_with "amount" bench --amount x disk.vmdk
    truncate -s 200000 disk.vmdk
    fails_with "reading sector.*'disk.vmdk'" bench --depth 1 disk.vmdk
}

run_tests "$@"
