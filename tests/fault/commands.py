# SPDX-License-Identifier: Apache-2.0
"""Every command that writes, each on small disks of its own, and what it may leave when it fails.
vdisk's path is argv[1]."""

import filecmp
import functools
import os
import random
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "interop"))

from tap import equal, expect  # noqa: E402

VDISK = str(Path(sys.argv[1]).resolve())
SANITIZED = os.environ.get("VDISK_SANITIZED") == "1"
MIB = 1 << 20
TYPES = ["monolithicSparse", "monolithicFlat", "twoGbMaxExtentSparse", "twoGbMaxExtentFlat",
         "vmfs", "vmfsThin", "vmfsSparse", "seSparse"]
SLOW = 120  # seconds


@dataclass
class Command:
    """What is called, and what of the disks may have changed after a failure."""
    name: str
    words: list
    changes: tuple = ()  # names of files that may differ, but not in what their disk reads
    rewrites: tuple = ()  # disks that may read otherwise from 4 MiB on
    backup: bool = False  # keeps a backup of what it replaces
    stdout: bool = False  # its output is a disk
    quick: bool = False  # has nothing to interrupt
    alone: bool = False  # asks for no room: a full disk does not stop it


COMMANDS = [
    Command("convert to raw", ["convert", "sparse.vmdk", "out.raw"]),
    *[Command(f"convert to {name}", ["convert", "-O", name, "sparse.vmdk", "out.vmdk"])
      for name in [*TYPES, "streamOptimized"]],
    Command("convert to a stream on a pipe",
            ["convert", "-O", "streamOptimized", "sparse.vmdk", "-"], stdout=True),
    *[Command(f"create {name}", ["create", "-t", name, "-s", "9M", "out.vmdk"])
      for name in TYPES],
    Command("create a child",
            ["create", "-t", "monolithicSparse", "--parent", "flat.vmdk", "out.vmdk"]),
    Command("grow flat", ["grow", "-s", "16M", "flat.vmdk"], changes=("flat.vmdk",)),
    Command("grow sparse", ["grow", "-s", "16M", "sparse.vmdk"]),
    Command("grow split", ["grow", "-s", "16M", "split.vmdk"],
            changes=("split.vmdk", "split-s001.vmdk")),
    Command("shrink", ["shrink", "sparse.vmdk"]),
    Command("defrag", ["defrag", "sparse.vmdk"]),
    Command("commit", ["commit", "child.vmdk"],
            changes=("child.vmdk", "base.vmdk", "base-flat.vmdk")),
    Command("check --repair", ["check", "--repair", "torn.vmdk"], changes=("torn.vmdk",),
            backup=True),
    Command("write", ["write", "--offset", "4M", "-i", "patch.raw", "sparse.vmdk"],
            changes=("sparse.vmdk",), rewrites=("sparse.vmdk",)),
    Command("write to flat", ["write", "--offset", "5M", "-i", "patch.raw", "flat.vmdk"],
            changes=("flat.vmdk", "flat-flat.vmdk"), rewrites=("flat.vmdk",)),
    Command("rename", ["rename", "split.vmdk", "out.vmdk"], quick=True),
    Command("rm", ["rm", "split.vmdk"], quick=True, alone=True),
    Command("attach", ["attach", "base.vmdk", "child.vmdk"], quick=True, alone=True),
    Command("meta set", ["meta", "set", "flat.vmdk", "comment", "x" * 600], quick=True),
]
DISKS = ["sparse.vmdk", "split.vmdk", "flat.vmdk", "child.vmdk", "torn.vmdk"]


def run(*words, **options):
    """A run of vdisk to its end, without input."""
    options.setdefault("stdout", subprocess.PIPE)
    return subprocess.run([VDISK, *map(str, words)], stdin=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, timeout=SLOW, check=False, **options)


def good(*words, **options):
    result = run(*words, **options)
    expect(result.returncode == 0, f"vdisk {words}: {result.stderr.decode()}")
    return result


def tear(path):
    """As if the power had failed between the two copies of a table: entries in one alone."""
    with open(path, "r+b") as file:
        header = file.read(512)
        directory = int.from_bytes(header[56:64], "little") * 512
        file.seek(directory)
        table = int.from_bytes(file.read(4), "little") * 512
        file.seek(table)
        file.write(bytes(64))
        file.seek(72)
        file.write(b"\1")  # not closed cleanly


def make_disks(folder):
    """Disks of 6 MiB: data, a hole, zeros that were written, data."""
    random.seed(20260722)
    data = random.randbytes(2 * MIB) + bytes(3 * MIB) + random.randbytes(MIB)
    (folder / "guest.raw").write_bytes(data)
    (folder / "patch.raw").write_bytes(random.randbytes(MIB))
    for name, kind in [("sparse", "monolithicSparse"), ("torn", "monolithicSparse"),
                       ("split", "twoGbMaxExtentSparse"), ("flat", "monolithicFlat"),
                       ("base", "monolithicFlat")]:
        good("convert", "-O", kind, "guest.raw", f"{name}.vmdk", cwd=folder)
    with open(folder / "zero.raw", "wb") as file:
        file.write(bytes(MIB))
    # grains in no order, and some of zeros
    good("write", "--offset", "3M", "-i", "patch.raw", "sparse.vmdk", cwd=folder)
    good("write", "--offset", "3M", "-i", "zero.raw", "sparse.vmdk", cwd=folder)
    good("write", "--offset", "2M", "-i", "patch.raw", "sparse.vmdk", cwd=folder)
    good("create", "-t", "monolithicSparse", "--parent", "base.vmdk", "child.vmdk", cwd=folder)
    good("write", "--offset", "1M", "-i", "patch.raw", "child.vmdk", cwd=folder)
    tear(folder / "torn.vmdk")
    (folder / "guest.raw").unlink()
    (folder / "zero.raw").unlink()


def copy_disks(template, folder):
    for path in template.iterdir():
        shutil.copyfile(path, folder / path.name)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def one_sentence(result, pattern):
    said = result.stderr.decode()
    equal(result.returncode, 2, f"exit status, with {said!r}")
    expect(said.startswith("vdisk: ") and said.count("\n") == 1, f"not one sentence: {said!r}")
    expect(pattern in said, f"no {pattern!r} in {said!r}")


@functools.cache
def content(path):
    """Of a disk that stays as it is."""
    return good("read", path).stdout


def changed_disks(command):
    """A disk is in files that begin with its name."""
    return [name for name in DISKS
            if any(file.startswith(name[:-len(".vmdk")]) for file in command.changes)
            or (name == "child.vmdk" and "base.vmdk" in command.changes)]


def check_disk(command, template, folder, name):
    if command.backup:  # what it had not mended is mended by the next one
        good("check", "--repair", folder / name)
        was = content(template / "split.vmdk")
    else:
        was = content(template / name)
    good("check", folder / name)
    now = good("read", folder / name).stdout
    end = 4 * MIB if name in command.rewrites else len(was)
    expect(now[:end] == was[:end] and len(now) == len(was), f"'{name}' reads otherwise")


def check_old(command, template, folder):
    """After a failure: no file more or less, and everything is as it was."""
    found = [name for name in names(folder)
             if not (command.backup and name.endswith(".vdisk-repair-backup"))]
    equal(found, names(template), "files")
    for name in found:
        if name not in command.changes:
            expect(filecmp.cmp(folder / name, template / name, shallow=False),
                   f"'{name}' has changed")
    for name in changed_disks(command):
        check_disk(command, template, folder, name)


def check_new(command, folder):
    """After success: nothing but disks is there, and each is whole."""
    left = [name for name in names(folder) if name.startswith(".")]
    equal(left, [], "left behind")
    for name in [*changed_disks(command), "out.vmdk"]:
        if (folder / name).exists():
            good("info", folder / name)
