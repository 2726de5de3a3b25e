#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Commands that write, on a file system of their own that is really full, and on one that is
mounted read-only: one sentence, everything as it was; and what only reads works on the latter.

    test-no-room.py VDISK

Mounting needs a name space of mounts, which not every machine lets its users have.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from commands import (COMMANDS, MIB, check_new, check_old, copy_disks, equal, expect, good,
                      make_disks, names, one_sentence, run, SANITIZED)
from tap import plan

INSIDE = "VDISK_TEST_INSIDE"
ROOMS = [0, 64 << 10] if SANITIZED else [0, 4 << 10, 64 << 10, 300 << 10, MIB]
FULL = "No space left on device"
READ_ONLY = "Read-only file system"
READERS = [["info", "child.vmdk"], ["map", "child.vmdk"], ["read", "child.vmdk"],
           ["compare", "flat.vmdk", "base.vmdk"], ["check", "child.vmdk"],
           ["meta", "list", "split.vmdk"]]


def mount(*words):
    subprocess.run(["mount", *map(str, words)], check=True)


def fill(folder, room):
    """Takes all that is left but `room` bytes."""
    with open(folder.parent / "filler", "wb") as file:
        left = os.statvfs(folder)
        amount = left.f_bavail * left.f_frsize - room
        if amount > 0:
            os.posix_fallocate(file.fileno(), 0, amount)


def on_full(case, command, template):
    """With a little more room each time, so that it runs out at many moments."""
    failures = 0
    for room in ROOMS:
        mount("-t", "tmpfs", "-o", "size=64m", "vdisk-test", case)
        try:
            disks = case / "disks"
            disks.mkdir()
            copy_disks(template, disks)
            fill(disks, room)
            result = run(*command.words, cwd=disks)
            if result.returncode == 0:
                check_new(command, disks)
                continue
            failures += 1
            one_sentence(result, FULL)
            (case / "filler").unlink()
            check_old(command, template, disks)
        finally:
            subprocess.run(["umount", case], check=True)
    expect(failures > 0 or command.alone or command.stdout, "it never failed")
    print(f"# {command.name}: failed in {failures} of {len(ROOMS)} rooms")


def on_read_only(case, template):
    mount("-t", "tmpfs", "-o", "size=64m", "vdisk-test", case)
    disks = case / "disks"
    disks.mkdir()
    copy_disks(template, disks)
    mount("-o", "remount,ro", case)
    try:
        for command in COMMANDS:
            result = run(*command.words, cwd=disks)
            if command.stdout:
                equal(result.returncode, 0, command.name)
            else:
                one_sentence(result, READ_ONLY)
            equal(names(disks), names(template), f"files after {command.name}")
        for words in READERS:
            good(*words, cwd=disks)
        with tempfile.TemporaryDirectory() as other:
            good("convert", "child.vmdk", Path(other) / "out.raw", cwd=disks)
    finally:
        subprocess.run(["umount", case], check=True)


def main():
    with tempfile.TemporaryDirectory(prefix="vdisk-room-") as name:
        template = Path(name)
        make_disks(template)
        with plan() as tap:
            for command in COMMANDS:
                tap.case(f"full: {command.name}", on_full, command, template)
            tap.case("read-only", on_read_only, template)


def can_mount():
    with tempfile.TemporaryDirectory() as name:
        tried = subprocess.run(["unshare", "-rm", "mount", "-t", "tmpfs", "vdisk-test", name],
                               stderr=subprocess.PIPE, check=False)
        return tried.returncode == 0, tried.stderr.decode().strip()


if INSIDE in os.environ:
    main()
else:
    can, why = can_mount()
    if not can:
        print(f"1..0 # SKIP nothing can be mounted here: {why.splitlines()[-1] if why else 'no'}")
        sys.exit(0)
    os.execvpe("unshare", ["unshare", "-rm", sys.executable, *sys.argv],
               {**os.environ, INSIDE: "1"})
