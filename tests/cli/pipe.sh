#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Converting from and to pipes, and being stopped.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

stream() {
    need qemu-img
    noise 3000000 >guest
    truncate -s 5M guest
    dd if=guest of=guest bs=64k seek=70 count=1 conv=notrunc status=none
    qemu-img convert -f raw -O vmdk -o subformat=streamOptimized guest stream.vmdk
}

test_to_standard_output() {
    stream
    vdisk convert stream.vmdk - | cat >got
    same_files guest got
    vdisk convert guest - | cat >got
    same_files guest got
}

test_from_standard_input() {
    stream
    head -c 100M stream.vmdk | vdisk convert - out
    same_files guest out
    vdisk convert - second <stream.vmdk
    same_files guest second
    no_partial
}

test_through() {
    stream
    head -c 100M stream.vmdk | vdisk convert - - | cat >got
    same_files guest got
}

test_fifos() {
    stream
    mkfifo in out
    cat stream.vmdk >in &
    cat out >got &
    vdisk convert in out
    wait
    same_files guest got
    [ -p out ] || fail 'the FIFO was replaced'
}

test_raw_from_standard_input() {
    noise 2500001 >a.bin
    head -c 100M a.bin | vdisk convert -f raw - out
    truncate -s 2500096 a.bin
    same_files a.bin out
    head -c 100M a.bin | vdisk convert -f raw - - | cat >got
    same_files a.bin got
    : | vdisk convert -f raw - empty
    same "$(stat -c %s empty)" 0
}

types='monolithicSparse monolithicFlat twoGbMaxExtentSparse twoGbMaxExtentFlat vmfs vmfsThin vmfsSparse seSparse streamOptimized'

nothing_left() {
    local left

    left=$(find . -name '.*vdisk*' -o -name '*.partial' -o -name 'out*')
    [ -z "$left" ] || fail "left behind: $left"
}

# Its size told, not told, or to be seen.
test_raw_from_standard_input_into_every_type() {
    local type

    noise 2500001 >a.bin
    truncate -s 4M a.bin
    noise 70000 2 >>a.bin
    for type in $types; do
        dd if=a.bin bs=64k status=none | vdisk convert -O "$type" -s 4264304 - told.vmdk
        dd if=a.bin bs=64k status=none | vdisk convert -O "$type" -f raw - untold.vmdk
        vdisk convert -O "$type" -f raw - seen.vmdk <a.bin
        for disk in told untold seen; do
            vdisk check "$disk.vmdk"
            vdisk read "$disk.vmdk" | head -c 4264304 | cmp - a.bin || fail "$type, size $disk"
            same "$(vdisk read "$disk.vmdk" | wc -c)" 4264448 "$type, size $disk"
            vdisk rm "$disk.vmdk"
        done
        nothing_left
    done
}

test_raw_to_a_stream_on_standard_output() {
    need qemu-img
    noise 2500001 >a.bin
    truncate -s 64M a.bin
    dd if=a.bin bs=64k status=none | vdisk convert -O streamOptimized -s 64M - - | cat >b.vmdk
    qemu-img compare -q -f raw -F vmdk a.bin b.vmdk
    vdisk convert -f raw -O streamOptimized - - <a.bin | vdisk convert - - >got
    same_files a.bin got
    mkfifo in out
    cat a.bin >in &
    cat out >c.vmdk &
    vdisk convert -s 64M -O streamOptimized in out
    wait
    vdisk compare b.vmdk c.vmdk
}

test_a_stream_needs_the_size_first() {
    local status=0

    noise 100000 | vdisk convert -f raw -O streamOptimized - - >got 2>err || status=$?
    same "$status" 2
    same "$(cat err)" "vdisk: a streamOptimized disk begins with its capacity, so the size of \
'standard input' must be given where the disk goes into a pipe or a device"
    [ ! -s got ] || fail 'something was written'
}

test_a_size_that_is_not_so() {
    local type size status

    for type in raw vmfs streamOptimized monolithicSparse; do
        for size in 99999 100001 1M; do
            status=0
            noise 100000 | vdisk convert -O "$type" -s "$size" - out.vmdk 2>err || status=$?
            same "$status" 2 "$type $size"
            same "$(wc -l <err)" 1 "lines for $type $size"
            grep -Eq "'standard input' (ends at byte 100000|goes on after byte 99999)" err || fail "$(cat err)"
            nothing_left
        done
    done
    : | fails_with "--size is 0" convert -s 0 -O vmfs - out.vmdk
    for type in vmfs streamOptimized; do
        status=0
        : | vdisk convert -f raw -O "$type" - out.vmdk 2>err || status=$?
        same "$status" 2 "an empty $type"
        same "$(wc -l <err)" 1 "lines for an empty $type"
        nothing_left
    done
    fails_with "tells its size itself" convert -s 1M err out.raw
    fails_with "tells its size itself" convert -s 1M -f vmdk - out.raw
}

# What exists is told before the stream is read.
test_an_existing_target_costs_no_stream() {
    local status=0

    echo mine >out.vmdk
    yes | vdisk convert -f raw -O vmfs - out.vmdk 2>err || status=$?
    [ "$status" != 0 ] || fail 'it was overwritten'
    grep -q "'out.vmdk' exists" err
    same "$(cat out.vmdk)" mine
}

test_a_stream_that_ends_early_leaves_nothing() {
    stream
    for bytes in 0 100 512 70000 1000000 $(($(stat -c %s stream.vmdk) - 512)); do
        status=0
        head -c "$bytes" stream.vmdk | vdisk convert - out >stdout 2>err || status=$?
        same "$status" 2 "status after $bytes bytes"
        same "$(wc -l <err)" 1 "lines after $bytes bytes"
        [ ! -e out ] || fail "a target was made from $bytes bytes"
    done
    no_partial
}

test_what_is_no_stream() {
    need qemu-img
    qemu-img create -q -f vmdk sparse.vmdk 1M
    for file in sparse.vmdk /dev/zero; do
        status=0
        head -c 1000000 "$file" | vdisk convert - out 2>err || status=$?
        same "$status" 2 "$file"
        same "$(wc -l <err)" 1 "$file"
    done
    [ ! -e out ] || fail 'a target was made'
    no_partial
}

test_a_reader_that_leaves_is_told() {
    truncate -s 5M a.raw
    mkfifo out
    head -c 100 out >/dev/null &
    status=0
    vdisk convert a.raw out 2>err || status=$?
    same "$status" 2
    grep -q 'Broken pipe' err
}

# Waits until a temporary file is there, so that the signal comes in the middle.
await_partial() {
    for _ in $(seq 100); do
        [ -z "$(find . -name '*.partial')" ] || return 0
        sleep 0.05
    done
    fail 'the conversion did not begin'
}

stopped_by() {
    local pid status=0

    mkfifo in
    # A shell starts background jobs with SIGINT ignored.
    env --default-signal=INT,TERM,HUP "$VDISK" convert -f raw in out 2>err &
    pid=$!
    exec 7>in
    noise 2000000 >&7
    await_partial
    kill -s "$1" "$pid"
    wait "$pid" || status=$?
    exec 7>&-
    same "$status" 2
    same "$(wc -l <err)" 1
    grep -q "^vdisk: interrupted by SIG$1" err || fail "$(cat err)"
    [ ! -e out ] || fail 'a target was made'
    no_partial
}

test_interrupted_by_int() { stopped_by INT; }
test_interrupted_by_term() { stopped_by TERM; }
test_interrupted_by_hup() { stopped_by HUP; }

test_interrupted_before_the_size_is_known() {
    local pid status=0

    mkfifo in
    env --default-signal=INT,TERM,HUP "$VDISK" convert -f raw -O vmfs in out.vmdk 2>err &
    pid=$!
    exec 7>in
    noise 2000000 >&7
    for _ in $(seq 100); do
        [ -z "$(find . -name '.vdisk-*')" ] || break
        sleep 0.05
    done
    kill -s TERM "$pid"
    wait "$pid" || status=$?
    exec 7>&-
    same "$status" 2
    grep -q "^vdisk: interrupted by SIGTERM" err || fail "$(cat err)"
    nothing_left
}

test_interrupted_while_nobody_reads() {
    local pid status=0

    noise 3000000 >a.raw
    mkfifo out
    tail -f /dev/null 7<out &
    env --default-signal=INT,TERM "$VDISK" convert a.raw out 2>err &
    pid=$!
    sleep 0.5
    kill -s TERM "$pid"
    wait "$pid" || status=$?
    kill %1
    same "$status" 2
    grep -q '^vdisk: interrupted by SIGTERM' err || fail "$(cat err)"
}

run_tests "$@"
