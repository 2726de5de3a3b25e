#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Chains made by qemu-img and filled by qemu-io, up to twenty links, over every kind of base: the
leaf's content and map, and each link alone."""

import random

import contents
import maps
from programs import (VDISK, convert, good, info, need, qemu_create, qemu_io, qemu_map, qemu_raw,
                      run, same_bytes, vdisk_map)
from tap import equal, expect, plan

SIZE = 30 << 20
BASES = ("monolithicSparse", "monolithicFlat", "twoGbMaxExtentSparse", "twoGbMaxExtentFlat",
         "streamOptimized")


def base(folder, subformat, size=SIZE):
    raw = contents.write(folder / "base.raw", size, contents.scattered(3, size, 20))
    disk = folder / "base.vmdk"
    good("qemu-img", "convert", "-f", "raw", "-O", "vmdk", "-o", f"subformat={subformat}", raw,
         disk)
    return disk


def child(parent, path, subformat, zeroed_grain, size=None):
    words = f"subformat={subformat},zeroed_grain={'on' if zeroed_grain else 'off'}"
    good("qemu-img", "create", "-q", "-f", "vmdk", "-F", "vmdk", "-b", parent.name, "-o", words,
         path, *([size] if size else []))
    return path


def scribble(path, seed, size=SIZE, zeroes=True):
    """A few writes and zeroings of any alignment."""
    source = random.Random(seed)
    commands = []
    for number in range(4):
        length = source.choice((512, 4096, 65536, 200000 // 512 * 512, 1 << 20))
        offset = source.randrange(0, size - length) // 512 * 512
        commands.append(f"write -P {1 + (seed * 4 + number) % 250} {offset} {length}")
    if zeroes:
        offset = source.randrange(0, size - (1 << 20)) // 65536 * 65536
        commands.append(f"write -z {offset} {source.choice((65536, 393216, 1 << 20))}")
    qemu_io(path, *commands)


def check(folder, disk):
    ours = convert(disk, folder / "ours.raw", "--overwrite")
    same_bytes(ours, qemu_raw(disk, folder / "theirs.raw"))
    maps.against_qemu(maps.tiled(vdisk_map(disk)), qemu_map(disk))


def deep(folder, kind, depth):
    """`depth` links; the children's subformats and zeroed grains take turns."""
    disk = base(folder, kind)
    for step in range(1, depth):
        subformat = "twoGbMaxExtentSparse" if step % 3 == 2 else "monolithicSparse"
        disk = child(disk, folder / f"base-{step:06d}.vmdk", subformat, step % 2)
        scribble(disk, 100 + step)
        if step in (1, 4):
            check(folder, disk)
    check(folder, disk)
    equal(len(info(disk)["links"]), depth, "links that info tells")


def unequal(folder, parent_size, child_size):
    parent = base(folder, "monolithicSparse", parent_size)
    disk = child(parent, folder / "child.vmdk", "monolithicSparse", True, child_size)
    scribble(disk, 9, child_size)
    check(folder, disk)


def untouched(folder):
    """A child that holds nothing shows its parent."""
    disk = child(base(folder, "monolithicSparse"), folder / "child.vmdk", "monolithicSparse", False)
    check(folder, disk)


def whole(folder):
    """A child that holds every grain."""
    disk = child(base(folder, "monolithicFlat"), folder / "child.vmdk", "monolithicSparse", False)
    qemu_io(disk, f"write -P 7 0 {SIZE}")
    check(folder, disk)
    expect(all(run["depth"] == 0 for run in vdisk_map(disk)["runs"]), "the parent shows through")


def subfolder(folder):
    """The parent lies below the child."""
    (folder / "below").mkdir()
    parent = base(folder / "below", "monolithicSparse")
    disk = folder / "child.vmdk"
    good("qemu-img", "create", "-q", "-f", "vmdk", "-F", "vmdk", "-b", "below/base.vmdk", disk)
    scribble(disk, 4)
    check(folder, disk)
    expect(parent.exists(), "parent is gone")


def changed_parent(folder):
    """A parent written after the child was made: refused with both CIDs, opened on request."""
    parent = base(folder, "monolithicSparse")
    disk = child(parent, folder / "child.vmdk", "monolithicSparse", False)
    wanted = info(disk)["links"][0]["parentCid"]
    equal(info(parent)["links"][0]["cid"], wanted, "CID of the parent")
    qemu_io(parent, "write -P 99 0 4096")
    found = info(parent)["links"][0]["cid"]
    result = run(VDISK, "convert", "-O", "raw", disk, folder / "ours.raw")
    equal(result.code, 2, "exit of convert with a changed parent")
    for word in ("base.vmdk", wanted, found):
        expect(word in result.err, f"{word} is not told: {result.err}")
    equal(result.err.count("\n"), 1, f"lines of {result.err}")
    expect(not (folder / "ours.raw").exists(), "a target was left")
    convert(disk, folder / "ours.raw", "--ignore-cid")


def single_link(folder):
    """One link alone: its own data, nothing of its parent."""
    parent = base(folder, "monolithicSparse")
    disk = child(parent, folder / "child.vmdk", "monolithicSparse", False)
    scribble(disk, 6, zeroes=False)
    parent.unlink()
    runs = maps.tiled(vdisk_map(disk, "--single-link"))
    expect({"data", "absent"} == {run["kind"] for run in runs}, f"runs of one link: {runs}")


def main(tap):
    for kind in BASES:
        tap.case(f"2 links over {kind}", deep, kind, 2)
    tap.case("10 links over streamOptimized", deep, "streamOptimized", 10)
    tap.case("20 links over monolithicSparse", deep, "monolithicSparse", 20)
    tap.case("20 links over twoGbMaxExtentFlat", deep, "twoGbMaxExtentFlat", 20)
    tap.case("parent smaller than the child", unequal, 20 << 20, 45 << 20)
    tap.case("parent ends inside a grain", unequal, (20 << 20) + 1536, 45 << 20)
    tap.case("parent larger than the child", unequal, 45 << 20, 20 << 20)
    tap.case("child that holds nothing", untouched)
    tap.case("child that holds everything", whole)
    tap.case("parent in a folder below", subfolder)
    tap.case("parent changed since", changed_parent)
    tap.case("one link alone", single_link)


need("qemu-img", "qemu-io")
with plan() as script:
    main(script)
