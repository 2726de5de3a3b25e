#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Disks that qemu-img made and we write, with qemu-io in between: both read the same bytes, which
are those of a raw file written alike, and qemu-img check finds nothing. argv[2] is the program that
writes (write-disk.c)."""

import random
import sys

from programs import convert, good, need, qemu_create, qemu_io, qemu_raw, same_bytes
from tap import plan

WRITER = sys.argv[2] if len(sys.argv) > 2 else "build/tests/interop/write-disk"
SECTORS = 3 << 11  # 3 MiB above a number that splits no grain evenly
SIZE = (SECTORS + 5) * 512 + (64 << 20)
SEED = 20260309

SUBFORMATS = ("monolithicSparse", "twoGbMaxExtentSparse", "monolithicFlat", "twoGbMaxExtentFlat")


def ours(path, raw, writes):
    words = [word for write in writes for word in write]
    good(WRITER, path, *words)
    into_raw(raw, writes)


def theirs(path, raw, writes):
    qemu_io(path, *(f"write -P {byte} {start * 512} {count * 512}"
                    for start, count, byte in writes))
    into_raw(raw, writes)


def into_raw(raw, writes):
    with open(raw, "r+b") as file:
        for start, count, byte in writes:
            file.seek(start * 512)
            file.write(bytes([byte]) * (count * 512))


def some_writes(rng, number):
    """Near both ends of the disk, in parts of grains, in many grains, zeros too."""
    writes = []
    for _ in range(number):
        count = rng.choice((1, 7, 128, 129, 1000, 3000))
        start = rng.choice((0, SIZE // 512 - SECTORS)) + rng.randrange(SECTORS - count)
        writes.append((start, count, rng.choice((0, *range(1, 256, 16)))))
    return writes


def agreed(folder, path, raw):
    good("qemu-img", "check", "-q", "-f", "vmdk", path)
    same_bytes(qemu_raw(path, folder / "theirs.raw"), raw)
    same_bytes(convert(path, folder / "ours.raw", "--overwrite"), raw)


def empty_raw(folder):
    raw = folder / "expected.raw"
    with open(raw, "wb") as file:
        file.truncate(SIZE)
    return raw


def in_turn(folder, *options):
    rng = random.Random(SEED)
    disk, raw = folder / "d.vmdk", empty_raw(folder)
    qemu_create(disk, SIZE, *options)
    for _ in range(4):
        ours(disk, raw, some_writes(rng, 8))
        agreed(folder, disk, raw)
        theirs(disk, raw, some_writes(rng, 8))
    agreed(folder, disk, raw)


def child(folder, *options):
    rng = random.Random(SEED)
    base, disk, raw = folder / "base.vmdk", folder / "d.vmdk", empty_raw(folder)
    qemu_create(base, SIZE)
    theirs(base, raw, some_writes(rng, 8))
    qemu_create(disk, SIZE, "-b", base, "-F", "vmdk", *options)
    for _ in range(3):
        ours(disk, raw, some_writes(rng, 8))
        agreed(folder, disk, raw)
        theirs(disk, raw, some_writes(rng, 8))
    agreed(folder, disk, raw)


def main(tap):
    print(f"# seed {SEED}")
    for subformat in SUBFORMATS:
        tap.case(subformat, in_turn, "-o", f"subformat={subformat}")
    tap.case("zeroed grains", in_turn, "-o", "subformat=monolithicSparse,zeroed_grain=on")
    tap.case("a child", child)
    tap.case("a child with zeroed grains", child, "-o", "zeroed_grain=on")
    tap.case("a child in parts", child, "-o", "subformat=twoGbMaxExtentSparse")


need("qemu-img", "qemu-io")
with plan() as script:
    main(script)
