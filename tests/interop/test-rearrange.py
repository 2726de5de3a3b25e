#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Disks grown, shrunk and defragmented: after each step qemu-img, libvmdk where it knows the format,
and vdisk read what a raw file written alike holds, and both checks find nothing."""

import json
import random
import subprocess
import sys

from programs import HERE, convert, good, need, qemu_raw, same_bytes, vdisk
from tap import equal, plan

SECTOR = 512
SECTORS = (20 << 11) + 77  # 20 MiB and no whole grain: several tables of every kind
LARGER = (45 << 11) + 3
SEED = 20261122
TYPES = ("monolithicSparse", "twoGbMaxExtentSparse", "vmfsSparse", "seSparse")


def python_with_binding():
    for candidate in (sys.executable, "/usr/bin/python3"):
        if subprocess.run([candidate, "-c", "import pyvmdk"], capture_output=True).returncode == 0:
            return candidate
    print("Bail out! install python3-libvmdk")
    sys.exit(1)


def write_some(folder, disk, raw, rng, number):
    """Anywhere, in any order; every fourth is zeros."""
    patch = folder / "patch.raw"
    for index in range(number):
        length = rng.choice((1, 511, 4096, 70001, 400000))
        offset = rng.randrange(SECTORS * SECTOR - length)
        data = bytes(length) if index % 4 == 3 else rng.randbytes(length)
        patch.write_bytes(data)
        vdisk("write", "--offset", offset, "-i", patch, disk)
        with open(raw, "r+b") as file:
            file.seek(offset)
            file.write(data)


def agreed(folder, disk, raw, kind):
    same_bytes(convert(disk, folder / "ours.raw", "--overwrite"), raw)
    same_bytes(qemu_raw(disk, folder / "qemu.raw"), raw)
    good("qemu-img", "check", "-q", "-f", "vmdk", disk)
    if kind != "seSparse":  # which libvmdk does not know
        good(PYTHON, HERE / "libvmdk-read.py", disk, folder / "libvmdk.raw")
        same_bytes(folder / "libvmdk.raw", raw)
    told = json.loads(vdisk("check", "--json", disk).out)
    equal((told["clean"], told["faults"], told["leaks"]), (True, 0, 0), f"{kind}: {told}")


def resize(raw, sectors):
    with open(raw, "r+b" if raw.exists() else "wb") as file:
        file.truncate(sectors * SECTOR)


def base(folder, kind):
    rng = random.Random(SEED)
    disk, raw = folder / "d.vmdk", folder / "expected.raw"
    vdisk("create", "-t", kind, "-s", SECTORS * SECTOR, disk)
    resize(raw, SECTORS)
    write_some(folder, disk, raw, rng, 12)
    for step in (("defrag",), ("shrink",), ("grow", "-s", LARGER * SECTOR), ("defrag",)):
        vdisk(*step, disk)
        if step[0] == "grow":
            resize(raw, LARGER)
        agreed(folder, disk, raw, kind)
        write_some(folder, disk, raw, rng, 5)
        agreed(folder, disk, raw, kind)


def child(folder, kind):
    rng = random.Random(SEED)
    parent, disk, raw = folder / "base.vmdk", folder / "d.vmdk", folder / "expected.raw"
    vdisk("create", "-t", "monolithicFlat", "-s", SECTORS * SECTOR, parent)
    resize(raw, SECTORS)
    write_some(folder, parent, raw, rng, 8)
    vdisk("create", "-t", kind, "--parent", parent, disk)
    for _ in range(2):
        write_some(folder, disk, raw, rng, 8)
        vdisk("defrag", disk)
        agreed(folder, disk, raw, kind)


def main(tap):
    print(f"# seed {SEED}")
    for kind in TYPES:
        tap.case(kind, base, kind)
        tap.case(f"{kind} child", child, kind)


need("qemu-img")
PYTHON = python_with_binding()
with plan() as script:
    main(script)
