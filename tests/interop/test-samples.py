#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Files made by VMware Workstation, ESXi, VirtualBox and a fuzzer, where the folder of samples is
there: `test-samples.py VDISK FOLDER`. SHA-256 of the whole content, as qemu-img 7.2 converts it."""

import hashlib
import os
import sys
from pathlib import Path

import maps
from programs import (VDISK, convert, few_blocks, need, qemu_map, run, same_bytes, stored,
                      vdisk_map)
from tap import equal, expect, plan

DISK = "de5cbe267ce2a674807bb4bcf970261a44641f7b970d431284b6b1a06fdd101a"
SAMPLES = {
    "ws10-monolithicSparse.vmdk": (10737418240, DISK),
    "vmware-streamOptimized.vmdk": (10737418240, DISK),
    "esxi-export-version3.vmdk": (
        17179869184, "0859bb3397bc1d30fa979c80a289ce98bfd6c1141a64594d6f3cc8cd68218faf"),
    "virtualbox-t2.vmdk": (
        2147483648, "a7c744c13cc101ed66c29f672f92455547889cc586ce6d44fe76ae824958ea51"),
}
FUZZED = "fuzzed-header.vmdk"
ZEROS = bytes(1 << 20)
hashed = {}  # digest -> raw file that has it


def sha256(path):
    """Of a raw file with holes, without reading them."""
    whole, at = hashlib.sha256(), 0
    with open(path, "rb") as file:
        for start, end in [*stored(path, file), (os.path.getsize(path),) * 2]:
            while at < start:
                step = min(len(ZEROS), start - at)
                whole.update(memoryview(ZEROS)[:step])
                at += step
            file.seek(start)
            while at < end:
                data = file.read(min(len(ZEROS), end - at))
                whole.update(data)
                at += len(data)
    return whole.hexdigest()


def sample(folder, path, capacity, digest):
    raw = convert(path, folder / "ours.raw")
    equal(os.path.getsize(raw), capacity, "capacity")
    few_blocks(raw, 16 << 20)
    if digest in hashed:  # ten GiB of zeros are hashed once
        same_bytes(raw, hashed[digest])
    else:
        equal(sha256(raw), digest, "SHA-256 of the content")
        hashed[digest] = raw.rename(folder.parent / f"{digest}.raw")
    maps.against_qemu(maps.tiled(vdisk_map(path)), qemu_map(path))


def fuzzed(folder, path):
    """Its grain directory would be absurdly large."""
    target = folder / "ours.raw"
    result = run(VDISK, "convert", "-O", "raw", path, target, limit=10)
    equal(result.code, 2, "exit")
    expect(FUZZED in result.err and result.err.count("\n") == 1, result.err)
    expect(not list(folder.iterdir()), "something was left behind")


need("qemu-img")
samples = Path(sys.argv[2])
with plan() as tap:
    for name, facts in SAMPLES.items():
        if (samples / name).exists():
            tap.case(name, sample, samples / name, *facts)
        else:
            tap.skip(name, "the sample is not there")
    if (samples / FUZZED).exists():
        tap.case(FUZZED, fuzzed, samples / FUZZED)
    else:
        tap.skip(FUZZED, "the sample is not there")
