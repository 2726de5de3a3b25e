#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test-check.py VDISK SAMPLES: `vdisk check` finds no fault in what qemu-img and VMware's products
wrote, as qemu-img finds none; and what it repaired, qemu-img reads as before."""

import json
import sys
from pathlib import Path

from programs import VDISK, good, need, qemu_create, qemu_io, qemu_raw, run, same_bytes
from tap import Skipped, equal, expect, plan

SUBFORMATS = ("monolithicSparse", "monolithicFlat", "twoGbMaxExtentSparse", "twoGbMaxExtentFlat",
              "streamOptimized")
SAMPLES = Path(sys.argv[2]) if len(sys.argv) > 2 else Path("../shared/samples")


def check(disk, *options):
    result = run(VDISK, "check", "--json", *options, disk)
    expect(result.code in (0, 1), str(result))
    return json.loads(result.out)


def no_faults(disk):
    answer = check(disk)
    equal((answer["clean"], answer["faults"], answer["leaks"]), (True, 0, 0),
          f"{disk}: {answer['findings']}")


def subformat(folder, name, capacity):
    disk = qemu_create(folder / "disk.vmdk", capacity, "-o", f"subformat={name}")
    no_faults(disk)
    if name != "streamOptimized":
        qemu_io(disk, "write -P 7 0 70000", f"write -P 9 {capacity // 2} 200000")
        no_faults(disk)
    good("qemu-img", "check", disk)


def zero_grains(folder):
    disk = qemu_create(folder / "disk.vmdk", 100 << 20, "-o", "zeroed_grain=on")
    qemu_io(disk, "write -P 7 0 1M", "write -z 256k 256k", "write -z 50M 1M")
    answer = check(disk)
    equal((answer["clean"], answer["faults"]), (True, 0), f"{answer['findings']}")


def snapshots(folder):
    base = qemu_create(folder / "base.vmdk", 20 << 20)
    qemu_io(base, "write -P 1 0 5M")
    for number in range(3):
        child = folder / f"child{number}.vmdk"
        good("qemu-img", "create", "-q", "-f", "vmdk", "-b", base, "-F", "vmdk", child)
        qemu_io(child, f"write -P {number + 2} {number}M 1234567")
        base = child
    no_faults(base)


def repaired(folder):
    """Entries lost in one copy or the other come back."""
    disk = qemu_create(folder / "disk.vmdk", 100 << 20)
    qemu_io(disk, *(f"write -P {i + 1} {i * 7}M 64k" for i in range(10)))
    wanted = qemu_raw(disk, folder / "wanted.raw")
    data = bytearray(disk.read_bytes())

    def table(at, index):
        first = int.from_bytes(data[at:at + 8], "little") * 512
        return int.from_bytes(data[first + index * 4:first + index * 4 + 4], "little") * 512

    for copy in (48, 56):  # redundant and primary directory
        at = table(copy, copy == 56)
        for entry in range(copy == 56, 512, 2):
            data[at + entry * 4:at + entry * 4 + 4] = b"\0\0\0\0" if copy == 48 else b"\xff\xff\xff\xff"
    disk.write_bytes(data)
    # What never had a grain is not known to have had none, so only part of it can be repaired; but
    # nothing of what is known is lost.
    answer = check(disk, "--repair")
    expect(answer["repaired"] > 0, f"{answer['findings'][:3]}")
    equal(check(disk)["repaired"], 0, "repaired without being asked")
    at = table(56, 1)
    data = bytearray(disk.read_bytes())
    for entry in range(512):
        if data[at + entry * 4:at + entry * 4 + 4] == b"\xff\xff\xff\xff":
            data[at + entry * 4:at + entry * 4 + 4] = b"\0\0\0\0"
    disk.write_bytes(data)
    same_bytes(qemu_raw(disk, folder / "found.raw"), wanted)


def sample(_folder, name):
    path = SAMPLES / name
    if not path.exists():
        raise Skipped(f"{path} is not there")
    answer = check(path)
    equal((answer["clean"], answer["faults"]), (True, 0), f"{answer['findings']}")


need("qemu-img", "qemu-io")
with plan() as tap:
    for kind in SUBFORMATS:
        for size in (10 << 20, (10 << 20) + 512 * 3, 5 << 30):
            if kind.endswith("Flat") and size > 1 << 30:
                continue
            tap.case(f"{kind} of {size} bytes", subformat, kind, size)
    tap.case("zero grains", zero_grains)
    tap.case("snapshots", snapshots)
    tap.case("repaired", repaired)
    for file in ("esxi-export-version3.vmdk", "virtualbox-t2.vmdk", "vmware-streamOptimized.vmdk",
                 "ws10-monolithicSparse.vmdk"):
        tap.case(f"sample {file}", sample, file)
