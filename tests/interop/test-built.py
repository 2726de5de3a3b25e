#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every image that tests/images builds: vdisk reads the bytes the builder meant and maps every one
of them to the place where the builder put it; qemu-img agrees where it can read the image at all.
"""

import importlib
import subprocess

import maps
from programs import (VDISK, convert, good, info, need, qemu_map, qemu_raw, same_bytes, vdisk,
                      vdisk_map)
from tap import equal, memory, plan

MODULES = ("hosted", "stream", "cowd", "sesparse", "texts", "chains")
TOO_LARGE = 1 << 32  # sectors: no raw copy of these


def check(folder, make):
    link = make(folder)
    maps.against_builder(maps.tiled(vdisk_map(link.path)), link.runs())
    equal(info(link.path)["capacity"], link.disk.capacity * 512, "capacity in info")
    if link.disk.capacity > TOO_LARGE:
        return
    raw = folder / "expected.raw"
    link.disk.write(raw)
    same_bytes(convert(link.path, folder / "ours.raw"), raw)
    if link.qemu is True:
        same_bytes(qemu_raw(link.path, folder / "theirs.raw"), raw)
        if link.qemu_map is True:
            maps.against_qemu(maps.tiled(vdisk_map(link.path)), qemu_map(link.path))


def from_pipe(folder, make):
    """A stream read forward only."""
    link = make(folder)
    raw = folder / "expected.raw"
    link.disk.write(raw)
    with open(link.path, "rb") as file:
        with subprocess.Popen(["cat"], stdin=file, stdout=subprocess.PIPE) as feeder:
            vdisk("convert", "-O", "raw", "-", folder / "ours.raw", stdin=feeder.stdout)
    same_bytes(folder / "ours.raw", raw)


def few_handles(folder):
    """600 extent files, and leave to open 300."""
    link = importlib.import_module("texts").CASES["many-files"](folder)
    raw = folder / "expected.raw"
    link.disk.write(raw)
    good("sh", "-c", 'ulimit -n 300; exec "$@"', "sh", VDISK, "convert", "-O", "raw", link.path,
         folder / "ours.raw")
    same_bytes(folder / "ours.raw", raw)


def main(tap):
    for module in MODULES:
        for name, make in importlib.import_module(module).CASES.items():
            tap.case(f"{module}: {name}", check, make)
    for name, make in importlib.import_module("stream").CASES.items():
        tap.case(f"stream from a pipe: {name}", from_pipe, make)
    tap.case("600 files, 300 handles", few_handles)


need("qemu-img")
with plan(memory()) as script:
    main(script)
