#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""libvmdk's opinion: its Python binding reads the same bytes, vmdkinfo tells the same capacity
and number of extents."""

import importlib
import re
import subprocess
import sys

import contents
from programs import HERE, convert, good, info, need, qemu_create, qemu_io, same_bytes
from tap import Skipped, equal, memory, plan

SUBFORMATS = ("monolithicSparse", "monolithicFlat", "twoGbMaxExtentSparse", "twoGbMaxExtentFlat",
              "streamOptimized")
MODULES = ("hosted", "stream", "cowd", "texts")


def python_with_binding():
    for candidate in (sys.executable, "/usr/bin/python3"):
        if subprocess.run([candidate, "-c", "import pyvmdk"], capture_output=True).returncode == 0:
            return candidate
    print("Bail out! install python3-libvmdk")
    sys.exit(1)


def check(folder, disk):
    theirs = folder / "theirs.raw"
    good(PYTHON, HERE / "libvmdk-read.py", disk, theirs)
    same_bytes(convert(disk, folder / "ours.raw"), theirs)
    told = good("vmdkinfo", disk).out.decode()
    size = re.search(r"Media size:.*?(\d+)(?: bytes\))?$", told, re.M)
    equal(info(disk)["capacity"], int(size.group(1)), "capacity that vmdkinfo tells")
    extents = re.search(r"Number of extents:\s*(\d+)", told)
    equal(len(info(disk)["links"][0]["extents"]), int(extents.group(1)), "extents")


def subformat(folder, kind, make):
    raw = make(folder / "source.raw")
    disk = folder / "disk.vmdk"
    good("qemu-img", "convert", "-f", "raw", "-O", "vmdk", "-o", f"subformat={kind}", raw, disk)
    check(folder, disk)
    same_bytes(folder / "theirs.raw", raw)


def built(folder, make):
    link = make(folder)
    if link.libvmdk is not True:
        raise Skipped(f"libvmdk {link.libvmdk}")
    check(folder, link.path)


def chain(folder, depth):
    disk = qemu_create(folder / "base.vmdk", 20 << 20)
    qemu_io(disk, "write -P 1 0 3M", "write -P 2 9M 5M")
    for step in range(1, depth):
        path = folder / f"base-{step:06d}.vmdk"
        good("qemu-img", "create", "-q", "-f", "vmdk", "-F", "vmdk", "-b", disk.name, path)
        qemu_io(path, f"write -P {2 + step} {step}M 512k", f"write -P {50 + step} 15000k {step}k")
        disk = path
    check(folder, disk)


def main(tap):
    for kind in SUBFORMATS:
        for name, make in contents.SMALL.items():
            if name != "several-extents":  # libvmdk takes a quarter of a minute for it
                tap.case(f"{kind}, {name}", subformat, kind, make)
    for depth in (2, 5):
        tap.case(f"chain of {depth}", chain, depth)
    for module in MODULES:
        for name, make in importlib.import_module(module).CASES.items():
            tap.case(f"{module}: {name}", built, make)


need("qemu-img", "qemu-io", "vmdkinfo")
PYTHON = python_with_binding()
with plan(memory()) as script:
    main(script)
