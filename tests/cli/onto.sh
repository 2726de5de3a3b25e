#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `vdisk convert` of a pipe onto a virtual machine's disk, which is there already.
# shellcheck source=tests/cli/sim.sh
. "$(dirname "$0")/sim.sh"

# onto FILE ARGUMENT...: FILE through a pipe onto the first disk, which then reads as FILE does.
onto() {
    local file=$1

    shift
    # shellcheck disable=SC2002 # a pipe is wanted
    cat "$file" | vdisk convert --overwrite "$@" - "$url/web/1"
}

reads_as() {
    cp "$1" want
    truncate -s 8M want
    vdisk convert --overwrite "$url/web/1" got
    same_files want got
}

# A disk with data where the next one has none, and the other way round; odd sizes and places.
sources() {
    noise 3000000 7 >new
    truncate -s 5M new
    noise 70000 8 | dd of=new bs=1 seek=4194000 conv=notrunc status=none
    noise 512 9 | dd of=new bs=512 seek=10239 conv=notrunc status=none
}

test_a_raw_image() {
    sim --powered-off
    sources
    onto new -s 5M
    reads_as new
    onto guest -f raw -s 8M
    reads_as guest
    vdisk convert --overwrite -f raw - "$url/web/1" <new # a file tells its size
    reads_as new
    mkfifo pipe
    cat guest >pipe &
    vdisk convert --overwrite -s 8M pipe "$url/web/1"
    reads_as guest
    head -c 1000 guest >odd
    onto odd -s 1000
    reads_as odd
}

test_a_stream() {
    sim --powered-off
    sources
    vdisk convert -O streamOptimized new new.vmdk
    vdisk convert -O streamOptimized guest guest.vmdk
    onto new.vmdk
    reads_as new
    onto guest.vmdk -p 2>told
    reads_as guest
    grep -q '100.0%' told
    vdisk convert --overwrite - "$url/web/1" <new.vmdk
    reads_as new
    truncate -s 8M empty
    vdisk convert -O streamOptimized empty - | vdisk convert --overwrite - "$url/web/1"
    reads_as empty
}

# What comes late overwrites the zeros that were put in its place.
test_a_stream_out_of_order() {
    need python3
    sim --powered-off
    PYTHONPATH="$root/tests/images" PYTHONDONTWRITEBYTECODE=1 python3 - <<'EOF'
import random
from pathlib import Path
from stream import write
noise = random.Random(3)
grains = [(number, noise.randbytes(65536)) for number in (100, 3, 2, 40, 41, 127, 0)]
grains.append((5, bytes(65536)))
write(Path("mixed.vmdk"), 8 << 11, grains)
content = bytearray(8 << 20)
for number, data in grains:
    content[number * 65536:(number + 1) * 65536] = data
Path("mixed").write_bytes(content)
EOF
    onto mixed.vmdk
    reads_as mixed
}

# qemu-img writes the grains of a stream in the order it meets them.
test_a_stream_of_another_program() {
    need qemu-img
    sim --powered-off
    sources
    qemu-img convert -O vmdk -o subformat=streamOptimized new other.vmdk
    onto other.vmdk
    reads_as new
}

test_zeros_are_not_written_where_there_are_some() {
    local before

    sim --powered-off
    truncate -s 8M empty
    before=$(vdisk info --json "$url/web/1" | jq .allocated)
    vdisk convert -O streamOptimized guest - | vdisk convert --overwrite - "$url/web/1"
    same "$(vdisk info --json "$url/web/1" | jq .allocated)" "$before" 'allocated by a stream'
    onto guest -s 8M
    same "$(vdisk info --json "$url/web/1" | jq .allocated)" "$before" 'allocated by a raw image'
}

# refused PATTERN COMMAND...: of which standard input is the file `input`; the disk stays as it was.
refused() {
    local pattern=$1
    local status=0

    shift
    # shellcheck disable=SC2002
    cat input | vdisk "$@" >out 2>err || status=$?
    same "$status" 2 "exit status of vdisk $*"
    same "$(wc -l <err)" 1 'lines on standard error'
    grep -Eq "^vdisk: .*$pattern" err || fail "it said: $(cat err)"
    reads_as guest
}

test_what_does_not_fit_writes_nothing() {
    sim --powered-off
    noise 20000 >input
    truncate -s 9M input
    refused "'standard input' into '\[ds1\] web/web.vmdk': it has 18432 sectors, the target only 16384" \
        convert --overwrite -s 9M - "$url/web/1"
    refused "the size of 'standard input' must be given" convert --overwrite -f raw - "$url/web/1"
    refused "exists; --overwrite" convert -s 9M - "$url/web/1"
    mv input big
    vdisk convert -O streamOptimized big input
    refused 'it has 18432 sectors, the target only 16384' convert --overwrite - "$url/web/1"
    printf 'no disk' >input
    refused 'standard input' convert --overwrite - "$url/web/1"
}

test_a_source_that_is_not_what_was_said() {
    sim --powered-off
    onto guest -s 8M
    head -c 3000000 guest >short
    fails_reading "ends at byte 3000000, expected 4194304 bytes" -s 4M < <(cat short)
    fails_reading "goes on after byte 1048576" -s 1M < <(cat guest)
    vdisk convert -O streamOptimized guest guest.vmdk
    fails_reading 'standard input' < <(head -c 300000 guest.vmdk)
}

fails_reading() {
    local pattern=$1
    local status=0

    shift
    vdisk convert --overwrite "$@" - "$url/web/1" >out 2>err || status=$?
    same "$status" 2 'exit status'
    grep -Eq "^vdisk: .*$pattern" err || fail "it said: $(cat err)"
}

run_tests "$@"
