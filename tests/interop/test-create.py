#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Disks the library makes: qemu and libvmdk open them, find them sound, read zeros; what qemu-io
writes into them everybody reads alike; streams hold what every known importer wants. argv[2] is
make-disk."""

import os
import struct
import subprocess
import sys

import contents
import streams
from programs import (HERE, SANITIZED, VDISK, convert, good, info, need, qemu_io, qemu_raw, run,
                      same_bytes, vdisk, vdisk_map)
from tap import Skipped, equal, expect, plan

MAKE = sys.argv[2] if len(sys.argv) > 2 else "build/tests/interop/make-disk"
SECTOR = 512
TABLE = 65536
SPLIT = 4192256
LARGEST = 62 << 31
# qemu refuses to write SESparse, and puts data over the header of a COWD file that lacks a table.
WRITTEN_BY_QEMU = ("monolithicSparse", "twoGbMaxExtentSparse", "monolithicFlat",
                   "twoGbMaxExtentFlat", "vmfs", "vmfsThin")
TYPES = (*WRITTEN_BY_QEMU, "vmfsSparse", "seSparse")
CHILDREN = ("monolithicSparse", "twoGbMaxExtentSparse", "vmfsSparse", "seSparse")
SIZES = {"one sector": 1, "grain - 1": 127, "a grain": 128, "grain + 1": 129, "one table": TABLE,
         "table + grain": TABLE + 128, "odd": 3 * TABLE + 77}
ADAPTERS = {"ide": "ide", "buslogic": "buslogic", "lsilogic": "lsilogic",
            "lsisas1068": "lsisas1068", "pvscsi": "pvscsi", "legacyESX": "legacyESX"}


def create(folder, kind, sectors, *options, name="disk.vmdk"):
    path = folder / name
    good(MAKE, "create", kind, sectors, path, *options)
    return path


def python_with_binding():
    for candidate in (sys.executable, "/usr/bin/python3"):
        if subprocess.run([candidate, "-c", "import pyvmdk"], capture_output=True).returncode == 0:
            return candidate
    print("Bail out! install python3-libvmdk")
    sys.exit(1)


def sound(disk, sectors):
    """qemu-img opens it at the right size and finds nothing wrong."""
    told = good("qemu-img", "info", "--output=json", "-f", "vmdk", disk).out.decode()
    expect(f'"virtual-size": {sectors * SECTOR},' in told, f"qemu-img info: {told}")
    good("qemu-img", "check", "-q", "-f", "vmdk", disk)


def read_by_all(folder, disk, kind):
    """qemu-img, libvmdk where it knows the format, and vdisk read the same; gives our raw copy."""
    ours = convert(disk, folder / "ours.raw")
    same_bytes(ours, qemu_raw(disk, folder / "qemu.raw"))
    if kind != "seSparse":
        good(PYTHON, HERE / "libvmdk-read.py", disk, folder / "libvmdk.raw")
        same_bytes(ours, folder / "libvmdk.raw")
    return ours


def empty(folder, kind, sectors):
    disk = create(folder, kind, sectors)
    sound(disk, sectors)
    zeros = contents.write(folder / "zeros.raw", sectors * SECTOR, [])
    same_bytes(read_by_all(folder, disk, kind), zeros)
    if kind != "seSparse":
        good("vmdkinfo", disk)
    leftovers = [name for name in os.listdir(folder) if name.startswith(".")]
    equal(leftovers, [], "temporary files")


def written(folder, kind, sectors, *options):
    """qemu writes both ends and the middle."""
    disk = create(folder, kind, sectors, *options)
    places = sorted({0, sectors // 2, max(sectors - 3, 0)})
    qemu_io(disk, *(f"write -P {7 + i} {at * SECTOR} {min(3, sectors - at) * SECTOR}"
                    for i, at in enumerate(places)))
    sound(disk, sectors)
    ours = read_by_all(folder, disk, kind)
    with open(ours, "rb") as raw:
        raw.seek((sectors - 1) * SECTOR)
        equal(raw.read(), bytes([6 + len(places)]) * SECTOR, "last sector")


def split(folder, kind, part):
    sectors = 2 * part + 129
    disk = create(folder, kind, sectors)
    extents = info(disk)["links"][0]["extents"]
    equal([extent["sectors"] if "sectors" in extent else extent["size"] // SECTOR
           for extent in extents], [part, part, 129], "sectors of the parts")
    for extent in extents:
        expect(os.path.getsize(folder / os.path.basename(extent["file"])) < 2 << 30, "below 2 GiB")
    border = part * SECTOR
    qemu_io(disk, f"write -P 5 {border - 4096} 8192", f"write -P 6 {2 * border - 512} 1024")
    sound(disk, sectors)
    same_bytes(convert(disk, folder / "ours.raw"), qemu_raw(disk, folder / "qemu.raw"))


def huge(folder, kind, sectors):
    """qemu-img check would look at a thousand million grains: this is looked at in places."""
    made = run(MAKE, "create", kind, sectors, folder / "disk.vmdk")
    if made.code != 0 and "TOO_BIG" in made.err and "for the file system" not in made.err:
        raise Skipped(f"this file system holds no such file: {made.err.strip()}")
    equal(made.code, 0, str(made))
    disk = folder / "disk.vmdk"
    equal(info(disk)["capacity"], sectors * SECTOR, "capacity")
    told = good("qemu-img", "info", "--output=json", "-f", "vmdk", disk).out.decode()
    expect(f'"virtual-size": {sectors * SECTOR},' in told, f"qemu-img info: {told}")
    last = (sectors - 8) * SECTOR
    used = sum(os.stat(folder / name).st_blocks * 512 for name in os.listdir(folder))
    expect(used < 80 << 20, f"{used} bytes of storage are taken by an empty disk")
    if kind not in WRITTEN_BY_QEMU:
        qemu_io_read(disk, 0, last)
        return
    qemu_io(disk, "write -P 3 1M 4k", f"write -P 4 {last} 4k")
    for offset, value in ((1 << 20, 3), (last, 4), (last - 65536, 0)):
        data = vdisk("read", "--offset", offset, "--length", 4096, disk).out
        equal(data, bytes([value]) * 4096, f"bytes at {offset}")


def qemu_io_read(disk, value, *offsets):
    words = [word for offset in offsets for word in ("-c", f"read -P {value} {offset} 4k")]
    result = good("qemu-io", "-r", "-f", "vmdk", *words, disk)
    expect(b"failed" not in result.out and "failed" not in result.err, str(result))


def child(folder, kind, parent_kind, sectors):
    parent = create(folder, parent_kind, sectors, "adapter=ide", name="parent.vmdk")
    if parent_kind in WRITTEN_BY_QEMU:
        qemu_io(parent, f"write -P 1 0 {(sectors - 1) * SECTOR}")
    disk = create(folder, kind, 0, f"parent={parent}", name="parent-000001.vmdk")
    told = info(disk)
    equal((told["capacity"], told["adapter"], len(told["links"])), (sectors * SECTOR, "ide", 2),
          "capacity, adapter, links")
    same_bytes(convert(disk, folder / "a.raw"), convert(parent, folder / "b.raw"))
    if kind in WRITTEN_BY_QEMU:
        qemu_io(disk, f"write -P 2 {(sectors // 2) * SECTOR} 512")
        good("qemu-img", "check", "-q", "-f", "vmdk", disk)
    same_bytes(convert(disk, folder / "ours.raw"), qemu_raw(disk, folder / "qemu.raw"))


def elsewhere(folder):
    """A child in another folder names its parent by its whole path, and qemu finds it."""
    (folder / "one").mkdir()
    (folder / "other").mkdir()
    parent = create(folder / "one", "monolithicSparse", 5000)
    qemu_io(parent, "write -P 9 0 1M")
    disk = create(folder / "other", "monolithicSparse", 0, f"parent={parent}", name="child.vmdk")
    qemu_io_read(disk, 9, 0, 512 << 10)
    expect(f'parentFileNameHint="{parent.resolve()}"'.encode() in disk.read_bytes(), "hint")


def adapter(folder, name):
    disk = create(folder, "monolithicFlat", 4 * TABLE, f"adapter={name}", "hw=19")
    text = disk.read_text()
    expect(f'ddb.adapterType = "{ADAPTERS[name]}"\n' in text, text)
    expect('ddb.virtualHWVersion = "19"\n' in text, text)
    heads = 16 if name == "ide" else 64
    expect(f'ddb.geometry.heads = "{heads}"\n' in text, text)
    sound(disk, 4 * TABLE)


def grain(folder, kind, sectors):
    disk = create(folder, kind, 3 * TABLE, f"grain={sectors}")
    if kind in WRITTEN_BY_QEMU:
        qemu_io(disk, "write -P 1 0 5k", "write -P 2 12345k 700k")
    sound(disk, 3 * TABLE)
    equal(info(disk)["links"][0]["extents"][0]["grainSize"], sectors * SECTOR, "grain size")
    same_bytes(convert(disk, folder / "ours.raw"), qemu_raw(disk, folder / "qemu.raw"))


def zeroed(folder):
    disk = create(folder, "monolithicSparse", TABLE, "zeroed=1")
    qemu_io(disk, "write -P 1 0 1M", "write -z 0 512k")
    sound(disk, TABLE)
    same_bytes(convert(disk, folder / "ours.raw"), qemu_raw(disk, folder / "qemu.raw"))
    equal(vdisk_map(disk)["runs"][0]["kind"], "zero", "first run")


def refused(folder, words, *options):
    result = run(MAKE, "create", *options[:2], folder / "disk.vmdk", *options[2:])
    equal(result.code, 2, str(result))
    expect(words in result.err, f"{words} is not in {result.err}")
    equal(os.listdir(folder), [], "files left")


def kept(folder):
    """A second creation leaves the first disk as it is."""
    disk = create(folder, "twoGbMaxExtentSparse", 1000)
    qemu_io(disk, "write -P 7 0 1k")
    before = {name: (folder / name).read_bytes() for name in os.listdir(folder)}
    for kind in TYPES:
        result = run(MAKE, "create", kind, 1000, disk)
        expect(result.code == 2 and "EXISTS" in result.err, str(result))
    equal({name: (folder / name).read_bytes() for name in os.listdir(folder)}, before, "files")


def stream(folder, make, level, threads):
    raw = make(folder / "source.raw")
    disk = folder / "stream.vmdk"
    good(MAKE, "stream", raw, disk, level, threads)
    streams.check(disk, raw)
    sound(disk, contents.length(raw) // SECTOR)
    same_bytes(read_by_all(folder, disk, "streamOptimized"), raw)
    piped = folder / "piped.raw"
    with open(disk, "rb") as pipe:
        cat = subprocess.Popen(["cat"], stdin=pipe, stdout=subprocess.PIPE)
        good(VDISK, "convert", "-O", "raw", "-", piped, stdin=cat.stdout)
        cat.wait()
    same_bytes(piped, raw)


def stream_again(folder):
    """What vdisk reads of our stream, qemu makes into its own, we read the same."""
    raw = contents.runs(folder / "source.raw")
    good(MAKE, "stream", raw, folder / "stream.vmdk", 9, 3)
    good("qemu-img", "convert", "-f", "vmdk", "-O", "vmdk", "-o", "subformat=streamOptimized",
         folder / "stream.vmdk", folder / "theirs.vmdk")
    same_bytes(convert(folder / "theirs.vmdk", folder / "theirs.raw"), raw)


def header(folder):
    """The one sector everything hangs on, against Workstation's own for 10 GiB."""
    disk = create(folder, "monolithicSparse", 20971520)
    with open(disk, "rb") as file:
        first = file.read(SECTOR)
    wanted = struct.pack("<4sIIQQQQIQQQB4sH", b"KDMV", 1, 3, 20971520, 128, 1, 20, 512, 21, 1304,
                         2688, 0, b"\n \r\n", 0)
    equal(first, wanted.ljust(SECTOR, b"\0"), "header")
    equal(os.path.getsize(disk), 2688 * SECTOR, "length")


def empties(tap):
    for kind in (*TYPES, "streamOptimized"):
        for name, sectors in SIZES.items():
            tap.case(f"{kind}, {name}, empty", empty, kind, sectors)
    for kind in WRITTEN_BY_QEMU:
        for name, sectors in SIZES.items():
            tap.case(f"{kind}, {name}, written by qemu", written, kind, sectors)


def sizes(tap):
    tap.case("twoGbMaxExtentSparse in three parts", split, "twoGbMaxExtentSparse", SPLIT)
    if not SANITIZED:
        tap.case("twoGbMaxExtentFlat in three parts", split, "twoGbMaxExtentFlat", 4193792)
    for kind in ("monolithicSparse", "seSparse", "vmfsThin"):
        tap.case(f"{kind} of 62 TiB", huge, kind, LARGEST)
    tap.case("vmfsSparse of 2 TiB less a sector", huge, "vmfsSparse", (1 << 32) - 1)
    if not SANITIZED:
        tap.case("twoGbMaxExtentSparse of 2 TiB", huge, "twoGbMaxExtentSparse", 1 << 32)


def options(tap):
    for kind in CHILDREN:
        for parent in TYPES:
            tap.case(f"{kind} child of {parent}", child, kind, parent, 5003)
    tap.case("a child in another folder", elsewhere)
    for name in ADAPTERS:
        tap.case(f"adapter {name}", adapter, name)
    for sectors in (8, 16, 256, 2048):
        tap.case(f"hosted grains of {sectors} sectors", grain, "monolithicSparse", sectors)
    for sectors in (2, 128):
        tap.case(f"COWD grains of {sectors} sectors", grain, "vmfsSparse", sectors)
    tap.case("zeroed grains", zeroed)
    tap.case("Workstation's header", header)


def refusals(tap):
    tap.case("2 TiB do not fit COWD", refused, "counts sectors in 32 bits", "vmfsSparse", 1 << 32)
    for kind in TYPES:
        tap.case(f"{kind} of nothing", refused, "a capacity of 0 was asked for", kind, 0)
        tap.case(f"{kind} above 62 TiB", refused, "a capacity of ", kind, LARGEST + 1)
    tap.case("no overwriting", kept)


def all_streams(tap):
    for number, (name, make) in enumerate(contents.SMALL.items()):
        if name != "several-extents":
            tap.case(f"stream of {name}", stream, make, 1 + number, number % 4)
    for level in (1, 12):
        tap.case(f"stream of runs at level {level}", stream, contents.runs, level, 2)
    tap.case("stream through qemu", stream_again)


need("qemu-img", "qemu-io", "vmdkinfo")
PYTHON = python_with_binding()
with plan() as script:
    all_streams(script)
    empties(script)
    sizes(script)
    options(script)
    refusals(script)
