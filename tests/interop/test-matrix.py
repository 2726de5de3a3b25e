#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every kind of disk into every kind: qemu-img and libvmdk read in what we write the bytes that went
in, qemu-img finds it sound, and what qemu-io then writes into it everybody reads alike. What a peer
cannot do is told in PEERS, and shown as skipped."""

import subprocess
import sys

import contents
from programs import (HERE, convert, good, need, qemu_create, qemu_io, qemu_raw, same_bytes, vdisk)
from tap import Skipped, memory, plan

MIB = 1 << 20
SIZE = 3 * MIB + 5 * 512  # ends inside a grain of every format
OURS = ("monolithicSparse", "monolithicFlat", "twoGbMaxExtentSparse", "twoGbMaxExtentFlat", "vmfs",
        "vmfsThin", "vmfsSparse", "seSparse", "streamOptimized")
QEMU_MAKES = ("monolithicSparse", "monolithicFlat", "twoGbMaxExtentSparse", "twoGbMaxExtentFlat",
              "streamOptimized")
CHILDREN = ("monolithicSparse", "twoGbMaxExtentSparse", "vmfsSparse", "seSparse")
# What a program does not do with a kind, and why.
PEERS = {
    ("libvmdk", "seSparse"): "does not know SESPARSE",
    ("libvmdk", "raw"): "reads VMDKs only",
    ("check", "raw"): "has nothing to check in a raw image",
    ("write", "raw"): "is no VMDK",
    ("write", "seSparse"): "opens SESparse for reading only",
    ("write", "vmfsSparse"): "puts data over the header of a COWD file that lacks a table",
    ("write", "streamOptimized"): "appends behind the end marker, and then finds no footer",
}


def can(program, kind):
    return (program, kind) not in PEERS


def python_with_binding():
    for candidate in (sys.executable, "/usr/bin/python3"):
        if subprocess.run([candidate, "-c", "import pyvmdk"], capture_output=True).returncode == 0:
            return candidate
    print("Bail out! install python3-libvmdk")
    sys.exit(1)


def content(path):
    """Data in the first and the last grain, a stretch across grains, a stored grain of zeros."""
    return contents.write(path, SIZE, [
        (512, contents.pattern(1, 3000)), (2 * 65536 + 512, contents.pattern(2, 150000)),
        (20 * 65536, bytes(65536)), (SIZE - 3 * 512, contents.pattern(3, 3 * 512))])


def from_ours(kind):
    def make(folder, raw):
        vdisk("convert", "-O", kind, raw, folder / "source.vmdk")
        return folder / "source.vmdk"
    return make


def from_qemu(kind):
    def make(folder, raw):
        good("qemu-img", "convert", "-f", "raw", "-O", "vmdk", "-o", f"subformat={kind}", raw,
             folder / "source.vmdk")
        return folder / "source.vmdk"
    return make


def from_zeroed(folder, raw):
    """Version 2 of the header, with entries for zeros."""
    disk = qemu_create(folder / "source.vmdk", SIZE, "-o", "zeroed_grain=on")
    good("qemu-img", "convert", "-n", "-f", "raw", "-O", "vmdk", raw, disk)
    qemu_io(disk, f"write -P 9 {20 * 65536} 64k", f"write -z {20 * 65536} 64k")
    return disk


def from_child(kind):
    """The parent holds something else where the child has data, and what the child has not."""
    def make(folder, raw):
        data = raw.read_bytes()
        half = 2 * 65536 + 70000 // 512 * 512
        wrong = contents.write(folder / "wrong.raw", SIZE, [
            (0, data[:half]), (half, bytes(len(data) - half)), (20 * 65536, b"hidden")])
        vdisk("convert", "-O", "monolithicFlat", wrong, folder / "parent.vmdk")
        disk = folder / "source.vmdk"
        vdisk("create", "-t", kind, "--parent", folder / "parent.vmdk", disk)
        (folder / "rest.raw").write_bytes(data[half:])
        vdisk("write", "--offset", half, "-i", folder / "rest.raw", disk)
        return disk
    return make


def from_raw(_folder, raw):
    return raw


SOURCES = {"raw": from_raw,
           **{kind: from_ours(kind) for kind in OURS},
           **{f"qemu's {kind}": from_qemu(kind) for kind in QEMU_MAKES},
           "qemu's zeroed grains": from_zeroed,
           **{f"{kind} child": from_child(kind) for kind in CHILDREN}}


def by_qemu(folder, kind, disk, raw):
    if kind == "raw":
        same_bytes(disk, raw)
        return
    same_bytes(qemu_raw(disk, folder / "qemu.raw"), raw)
    if can("check", kind):
        good("qemu-img", "check", "-q", "-f", "vmdk", disk)


def by_libvmdk(folder, kind, disk, raw):
    if can("libvmdk", kind):
        good(PYTHON, HERE / "libvmdk-read.py", disk, folder / "libvmdk.raw")
        same_bytes(folder / "libvmdk.raw", raw)


def pair(folder, make, kind):
    raw = content(folder / "content.raw")
    source = make(folder, raw)
    target = folder / ("target.raw" if kind == "raw" else "target.vmdk")
    vdisk("convert", "-O", kind, source, target)
    vdisk("compare", "--strict", target, raw)
    by_qemu(folder, kind, target, raw)
    by_libvmdk(folder, kind, target, raw)


def written(folder, kind):
    """At both ends, inside grains and over their borders, zeros over data, and where nothing is."""
    if not can("write", kind):
        raise Skipped(f"qemu-io {PEERS['write', kind]}")
    raw = content(folder / "content.raw")
    disk = folder / "target.vmdk"
    vdisk("convert", "-O", kind, raw, disk)
    words = ["write -P 1 0 1k", f"write -P 2 {2 * 65536 - 512} 66k", "write -z 140k 3k",
             "write -P 3 1M 200k", f"write -P 4 {SIZE - 512} 512", f"write -z {20 * 65536} 64k"]
    qemu_io(disk, *words)
    good("qemu-io", "-f", "raw", *(part for word in words for part in ("-c", word)), raw)
    same_bytes(convert(disk, folder / "ours.raw"), raw)
    vdisk("check", disk)
    by_qemu(folder, kind, disk, raw)
    by_libvmdk(folder, kind, disk, raw)


def child_written(folder, kind):
    """A child we made of a disk we made: qemu-io writes, which copies the rest of each grain."""
    if not can("write", kind):
        raise Skipped(f"qemu-io {PEERS['write', kind]}")
    raw = content(folder / "content.raw")
    vdisk("convert", "-O", "monolithicFlat", raw, folder / "parent.vmdk")
    disk = folder / "child.vmdk"
    vdisk("create", "-t", kind, "--parent", folder / "parent.vmdk", disk)
    qemu_io(disk, "write -P 1 2k 1k", f"write -P 2 {3 * 65536 - 512} 1k")
    good("qemu-io", "-f", "raw", "-c", "write -P 1 2k 1k", "-c",
         f"write -P 2 {3 * 65536 - 512} 1k", raw)
    same_bytes(convert(disk, folder / "ours.raw"), raw)
    vdisk("check", disk)
    by_qemu(folder, kind, disk, raw)
    by_libvmdk(folder, kind, disk, raw)


def main(tap):
    for name, make in SOURCES.items():
        for kind in (*OURS, "raw"):
            tap.case(f"{name} to {kind}", pair, make, kind)
    for (program, kind), reason in PEERS.items():
        tap.skip(f"{program} of {kind}", reason)
    for kind in OURS:
        tap.case(f"qemu-io into {kind}", written, kind)
    for kind in CHILDREN:
        tap.case(f"qemu-io into a {kind} child", child_written, kind)


need("qemu-img", "qemu-io")
PYTHON = python_with_binding()
with plan(memory()) as script:
    main(script)
