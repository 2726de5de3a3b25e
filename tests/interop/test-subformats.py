#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every subformat qemu-img writes, with every content and option it knows: vdisk reads the bytes
that were written, and its map is qemu-img's."""

import contents
import maps
from programs import (VDISK, convert, few_blocks, good, info, need, qemu_create, qemu_io, qemu_map,
                      qemu_raw, run, same_bytes, vdisk, vdisk_map)
from tap import equal, expect, plan

SUBFORMATS = ("monolithicSparse", "monolithicFlat", "twoGbMaxExtentSparse", "twoGbMaxExtentFlat",
              "streamOptimized")
ADAPTERS = ("ide", "buslogic", "lsilogic", "legacyESX")


def from_raw(raw, disk, subformat, **options):
    words = ",".join([f"subformat={subformat}"] + [f"{key}={value}" for key, value in
                                                   options.items()])
    good("qemu-img", "convert", "-f", "raw", "-O", "vmdk", "-o", words, raw, disk)
    return disk


def check(folder, disk, raw):
    """Content and map of `disk`, whose content is known to be `raw`."""
    ours = convert(disk, folder / "ours.raw")
    same_bytes(ours, raw)
    same_bytes(ours, qemu_raw(disk, folder / "theirs.raw"))
    few_blocks(ours, raw.stat().st_blocks * 512 + (1 << 20))
    answer = vdisk_map(disk)
    equal(answer["capacity"], contents.length(raw), "capacity in the map")
    maps.against_qemu(maps.tiled(answer), qemu_map(disk))


def content(folder, subformat, make):
    raw = make(folder / "source.raw")
    disk = from_raw(raw, folder / "disk.vmdk", subformat)
    check(folder, disk, raw)
    vdisk("compare", disk, raw)
    equal(info(disk)["capacity"], contents.length(raw), "capacity in info")


def option(folder, subformat, adapter, zeroed_grain, hwversion):
    raw = contents.odd_tail(folder / "source.raw")
    disk = from_raw(raw, folder / "disk.vmdk", subformat, adapter_type=adapter,
                    zeroed_grain=zeroed_grain, hwversion=hwversion)
    check(folder, disk, raw)
    told = vdisk("info", "--json", disk).out.decode()
    for word in (subformat, adapter, f'"{hwversion}"'):
        expect(word in told, f"info does not tell {word}: {told}")


def ranges(folder, subformat):
    """`read` of any range of bytes is a cut of the disk."""
    raw = contents.runs(folder / "source.raw")
    disk = from_raw(raw, folder / "disk.vmdk", subformat)
    data = raw.read_bytes()
    size = len(data)
    for offset, length in ((0, 512), (0, size), (511, 2), (65535, 3), (size - 1, 1), (size, 0),
                           (1000001, 3333333), (131072, 65536)):
        out = vdisk("read", "--offset", offset, "--length", length, disk).out
        expect(out == data[offset:offset + length], f"read of {length} bytes at {offset} differs")
    for offset, length in ((size, 1), (size - 511, 512), (1 << 62, 1 << 62)):
        result = run(VDISK, "read", "--offset", offset, "--length", length, disk)
        equal((result.code, result.out), (2, b""), f"read of {length} bytes at {offset}")


def written(folder, subformat, zeroed_grain):
    """What qemu-io does to an open disk: unaligned writes, zeroing, discarding."""
    disk = qemu_create(folder / "disk.vmdk", 40 << 20, "-o",
                       f"subformat={subformat},zeroed_grain={zeroed_grain}")
    qemu_io(disk, "write -P 17 1000k 300k", "write -P 33 65024 1024", "write -z 0 65536",
            "write -z 1M 128k", "write -z 8M 1M", "write -P 1 39M 1M", "write -z 39M 64k",
            "discard 1100k 64k")
    check(folder, disk, qemu_raw(disk, folder / "source.raw"))


def differences(folder):
    """compare leaves 1 for one bit, and for a tail that is not zeros."""
    raw = contents.runs(folder / "a.raw")
    disk = from_raw(raw, folder / "disk.vmdk", "monolithicSparse")
    longer = folder / "b.raw"
    longer.write_bytes(raw.read_bytes() + bytes(1024))
    vdisk("compare", disk, longer)
    changed = bytearray(raw.read_bytes())
    changed[12345678] ^= 1
    longer.write_bytes(changed)
    equal(run(VDISK, "compare", disk, longer).code, 1, "exit of compare after one bit")
    longer.write_bytes(raw.read_bytes() + b"tail".ljust(512, b"\0"))
    equal(run(VDISK, "compare", disk, longer).code, 1, "exit of compare with a longer disk")


def nothing(folder, subformat):
    """Disks of 0 bytes, which qemu-img makes and does not open."""
    disk = qemu_create(folder / "disk.vmdk", 0, "-o", f"subformat={subformat}")
    if b" 0 SPARSE " in disk.read_bytes():
        equal(contents.length(convert(disk, folder / "ours.raw")), 0, "length of an empty disk")
        return
    result = run(VDISK, "convert", "-O", "raw", disk, folder / "ours.raw")
    equal(result.code, 2, "exit for a descriptor without any extent")
    expect("disk.vmdk' describes no extent" in result.err, result.err)


def huge(folder, subformat, ask_qemu):
    raw = contents.huge(folder / "source.raw")
    disk = from_raw(raw, folder / "disk.vmdk", subformat)
    ours = convert(disk, folder / "ours.raw")
    same_bytes(ours, raw)
    few_blocks(ours, 4 << 20)
    runs = maps.tiled(vdisk_map(disk))
    equal(sum(run["length"] for run in runs), contents.length(raw), "length of the map")
    if ask_qemu:
        maps.against_qemu(runs, qemu_map(disk))


def grains_of(subformat):
    return ("off",) if subformat.endswith("Flat") else ("off", "on")


def main(tap):
    for subformat in SUBFORMATS:
        for name, make in contents.SMALL.items():
            tap.case(f"{subformat}, {name}", content, subformat, make)
        tap.case(f"{subformat}, ranges", ranges, subformat)
        tap.case(f"{subformat}, 0 bytes", nothing, subformat)
        for adapter in ADAPTERS:
            for zeroed_grain in grains_of(subformat):
                for hwversion in (4, 17):
                    tap.case(f"{subformat}, {adapter}, zeroed_grain={zeroed_grain}, "
                             f"hwversion={hwversion}", option, subformat, adapter, zeroed_grain,
                             hwversion)
    for subformat in ("monolithicSparse", "monolithicFlat", "twoGbMaxExtentSparse"):
        for zeroed_grain in grains_of(subformat):
            tap.case(f"{subformat} written by qemu-io, zeroed_grain={zeroed_grain}", written,
                     subformat, zeroed_grain)
    tap.case("compare", differences)
    for subformat in ("monolithicSparse", "monolithicFlat", "twoGbMaxExtentSparse",
                      "streamOptimized"):
        tap.case(f"{subformat}, past 2 TiB", huge, subformat, subformat == "monolithicFlat")


need("qemu-img", "qemu-io")
with plan() as script:
    main(script)
