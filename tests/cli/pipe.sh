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
