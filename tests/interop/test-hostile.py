#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Bad input. Every file of tests/images/hostile.py is refused as it should be; good files cut at
any place or changed in any byte are read or refused, but nothing worse.

The images are made by processes of their own, so that this one stays small: a child's peak memory
is told as at least its parent's."""

import json
import os
import random
import re
import subprocess
import sys
from pathlib import Path

from programs import HERE, PEAK_KIB, SECONDS, VDISK, watched
from tap import equal, expect, memory, plan

IMAGES = HERE.parent / "images"
VICTIMS = {  # module, case: files of it that are cut and changed
    ("hosted", "two-tables-and-one"): ["disk.vmdk"],
    ("hosted", "scattered"): ["disk.vmdk"],
    ("hosted", "zero-over-parent"): ["disk.vmdk", "base.vmdk"],
    ("stream", "vmware"): ["disk.vmdk"],
    ("stream", "open-vmdk"): ["disk.vmdk"],
    ("stream", "orchestra"): ["disk.vmdk"],
    ("cowd", "child"): ["disk-000001-delta.vmdk", "disk-000001.vmdk"],
    ("sesparse", "child"): ["disk-000001-sesparse.vmdk", "disk-000001.vmdk"],
    ("texts", "custom"): ["disk.vmdk", "part.vmdk"],
}
PIPED = ("stream-cut-grain", "stream-cut-footer", "stream-cut-front", "stream-no-footer",
         "stream-footer-capacity", "record-lba", "record-size-max", "record-not-zlib",
         "record-short", "record-long", "record-adler", "record-bomb", "bomb-everywhere",
         "cut-in-header", "huge-directory", "no-extent", "magic-kdmv")
OUTSIDE = ("path-above", "path-above-hidden", "path-absolute", "path-link-out",
           "path-link-folder", "parent-above", "parent-absolute")
CUTS = 12
CHANGES = 24


def build(module, folder, *cases):
    """Makes cases in another process; what it says of them, by name."""
    argv = [sys.executable, IMAGES / f"{module}.py", "--manifest", folder, *cases]
    made = json.loads(subprocess.run(argv, check=True, capture_output=True).stdout)
    return {one["name"]: one for one in made}


def one_sentence(result, culprit=""):
    """Exit 2, one line on standard error that names the file, nothing on standard output."""
    equal(result.code, 2, f"exit of {result}")
    equal(result.out, b"", f"standard output of {result}")
    equal(result.err.count("\n"), 1, f"lines on standard error of {result}")
    expect(result.err.endswith("\n") and len(result.err) < 6000, f"{result}")
    expect(all(char.isprintable() for char in result.err[:-1]), f"unprintable: {result.err!r}")
    expect(culprit in result.err, f"{culprit} is not named: {result}")


def in_bounds(result):
    expect(result.peak_kib < PEAK_KIB, f"{result} took {result.peak_kib} KiB")
    expect(result.seconds < SECONDS, f"{result} took {result.seconds:.1f} s")
    answers = (0, 1, 2) if "compare" in result.argv else (0, 2)
    expect(result.code in answers, f"{result}")


def convert(folder, path):
    """Converts into a folder of its own; True when there is a target, and then it alone."""
    place = folder / "out"
    place.mkdir(exist_ok=True)
    result = watched(folder, VDISK, "convert", "-O", "raw", path, place / "disk.raw")
    in_bounds(result)
    left = sorted(entry.name for entry in place.iterdir())
    equal(left, ["disk.raw"] if result.code == 0 else [], f"files left by {result}")
    return result, place / "disk.raw"


def others(folder, path):
    """The other commands stay in their bounds, whatever they answer."""
    for argv in (["info", "--json", path], ["info", path], ["map", "--json", path], ["map", path],
                 ["read", "--offset", 0, "--length", 512, path], ["compare", path, path]):
        result = watched(folder, VDISK, *argv)
        in_bounds(result)
        expect(result.err.count("\n") <= 1, f"more than one line: {result}")
        if result.code == 0 and "--json" in argv:
            json.loads(result.out)


def refused(folder, case):
    made = build("hostile", folder, case)[case]
    result, _ = convert(folder, Path(made["path"]))
    one_sentence(result, made["culprit"])
    expect(re.search(made["says"], result.err), f"nothing of {made['says']!r}: {result}")
    others(folder, made["path"])


def piped(folder, case):
    """Through a pipe a stream has no end to look at first: it may be read in part, never kept."""
    made = build("hostile", folder, case)[case]
    place = folder / "out"
    place.mkdir()
    script = 'cat "$1" | "$2" convert -O raw - "$3"'
    result = watched(folder, "sh", "-c", script, "sh", made["path"], VDISK, place / "disk.raw")
    in_bounds(result)
    equal(len(list(place.iterdir())), 1 if result.code == 0 else 0, f"files left by {result}")
    if result.code:
        one_sentence(result)


def let_in(folder, case):
    """What is refused for where it is, is opened on request."""
    made = build("hostile", folder, case)[case]
    place = folder / "out.raw"
    result = watched(folder, VDISK, "convert", "-O", "raw", "--allow-outside", made["path"], place)
    equal(result.code, 0, f"exit of {result}")
    in_bounds(result)


def harmed(folder, module, case, name, harm):
    """Cuts or changes one file again and again; what is read without an error is looked at only for
    its length: a changed grain of data is none of the format's business."""
    made = build(module, folder, case)[case]
    victim = Path(made["path"]).parent / name
    whole = victim.read_bytes() if victim.stat().st_size < 1 << 22 else None
    backup = folder / "whole"
    os.rename(victim, backup)
    for seed in range(CUTS if harm is cut else CHANGES):
        subprocess.run(["cp", "--sparse=always", backup, victim], check=True)
        harm(victim, random.Random(f"{module} {case} {name} {seed}"), whole)
        result, target = convert(folder, made["path"])
        if result.code:
            one_sentence(result)
        else:
            expect(target.stat().st_size % 512 == 0, f"odd length after {seed}")
            target.unlink()
        in_bounds(watched(folder, VDISK, "info", "--json", made["path"]))
        in_bounds(watched(folder, VDISK, "map", "--json", made["path"]))


def cut(path, source, whole):
    """Anywhere: the beginning as often as the rest."""
    size = path.stat().st_size
    limit = size if source.random() < 0.5 else min(size, 16384)
    os.truncate(path, source.randrange(limit))


def change(path, source, whole):
    """A few bytes of the metadata, which is in the first 64 KiB or the last 4 KiB."""
    size = path.stat().st_size
    with open(path, "r+b") as file:
        for _ in range(source.choice((1, 2, 4, 8))):
            first, limit = source.choice(((0, 512), (0, 2048), (0, 65536),
                                           (max(size - 4096, 0), 4096)))
            file.seek(min(first + source.randrange(limit), size - 1))
            file.write(source.choice((b"\0", b"\xff", b"\xff" * 8, b"\1", b"\x80",
                                      source.randbytes(1), source.randbytes(4))))


def main(tap):
    for case in subprocess.run([sys.executable, IMAGES / "hostile.py"], check=True,
                               capture_output=True, text=True).stdout.split():
        tap.case(f"refused: {case}", refused, case)
    for case in PIPED:
        tap.case(f"piped: {case}", piped, case)
    for case in OUTSIDE:
        tap.case(f"let in: {case}", let_in, case)
    for (module, case), names in VICTIMS.items():
        for name in names:
            for harm in (cut, change):
                tap.case(f"{harm.__name__}: {module} {case} {name}", harmed, module, case, name,
                         harm)


with plan(memory()) as script:
    main(script)
