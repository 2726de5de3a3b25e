#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

test_flat_and_zero() {
    descriptor 1 ffffffff custom 'RW 128 FLAT "a.bin" 8' 'RW 256 ZERO' 'RW 128 FLAT "a.bin" 136' >disk.vmdk
    noise 135168 >a.bin
    shows flat map disk.vmdk
    shows flat-json map --json disk.vmdk
}

test_chain() {
    need qemu-img
    noise 131072 >guest
    truncate -s 1M guest
    qemu-img convert -f raw -O vmdk guest base.vmdk
    qemu-img create -q -f vmdk -b base.vmdk -F vmdk child.vmdk
    qemu-io -f vmdk -c 'write -P 7 65536 65536' -c 'write -P 9 524288 65536' child.vmdk >/dev/null
    shows chain map child.vmdk
    shows chain-json map --json child.vmdk
    shows chain-single map --single-link child.vmdk
}

test_runs_are_merged() {
    need qemu-img jq
    noise 3000000 >guest
    truncate -s 4M guest
    qemu-img convert -f raw -O vmdk guest sparse.vmdk
    qemu-img convert -f raw -O vmdk -o subformat=streamOptimized guest stream.vmdk
    same "$(vdisk map --json sparse.vmdk | jq -c '[.runs[].kind]')" '["data","absent"]'
    same "$(vdisk map --json stream.vmdk | jq -c '[.runs[].kind]')" '["data","absent"]'
    same "$(vdisk map --json stream.vmdk | jq -c '[.runs[].compressed]')" '[true,null]'
}

test_runs_tile_the_disk() {
    need jq
    python3 - <<'EOF' >guest
import random, sys
random.seed(5)
for i in range(300):
    sys.stdout.buffer.write(random.randbytes(65536) if random.random() < .5 else bytes(65536))
EOF
    qemu-img convert -f raw -O vmdk guest disk.vmdk
    vdisk map --json disk.vmdk |
        jq -e '. as $m | reduce .runs[] as $r (0; if $r.start == . then . + $r.length else error end)
               == $m.capacity' >/dev/null
    same "$(vdisk map disk.vmdk | tail -n +2 | wc -l)" "$(vdisk map --json disk.vmdk | jq '.runs|length')"
}

# What the map says is data, read from where the map says it is, makes the disk.
test_the_map_finds_the_data() {
    need qemu-img
    noise 700000 >guest
    truncate -s 3M guest
    dd if=guest of=guest bs=64k seek=40 count=2 conv=notrunc status=none
    qemu-img convert -f raw -O vmdk -o subformat=twoGbMaxExtentSparse guest disk.vmdk
    vdisk map --json disk.vmdk | python3 -c '
import json, sys
m = json.load(sys.stdin)
out = open("rebuilt", "wb")
out.truncate(m["capacity"])
for r in m["runs"]:
    if r["kind"] == "data":
        f = open(r["file"], "rb"); f.seek(r["offset"])
        out.seek(r["start"]); out.write(f.read(r["length"]))'
    same_files guest rebuilt
}

test_raw() {
    noise 1048576 >disk.raw
    shows raw map disk.raw
}

test_huge_is_quick() {
    descriptor 1 ffffffff custom 'RW 133143986176 ZERO' >huge.vmdk
    shows huge map huge.vmdk
}

test_empty_disk() {
    : >empty.raw
    shows empty map empty.raw
    vdisk map --json empty.raw | jq -e '.capacity == 0 and .runs == []' >/dev/null
}

# A table that points past the file, behind a good one: valid JSON that tells the problem.
test_damage_behind_good_tables() {
    need qemu-img jq
    qemu-img create -q -f vmdk disk.vmdk 4G
    qemu-io -f vmdk -c 'write -P 7 0 64k' -c 'write -P 9 3G 64k' disk.vmdk >/dev/null
    python3 - <<'EOF'
import struct
f = open("disk.vmdk", "r+b")
h = f.read(512)
gd = struct.unpack_from("<Q", h, 56)[0]
rgd = struct.unpack_from("<Q", h, 48)[0]
for d in (gd, rgd):
    for i in range(97, 128):
        f.seek(d * 512 + i * 4)
        f.write(struct.pack("<I", 0x7fffffff))
EOF
    status=0
    vdisk map --json disk.vmdk >json 2>err || status=$?
    same "$status" 2
    same "$(wc -l <err)" 1
    [ ! -s json ] || jq -e '.problem' json >/dev/null
}

run_tests "$@"
