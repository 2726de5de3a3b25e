# SPDX-License-Identifier: Apache-2.0
"""vdisk, qemu-img, qemu-io and libvmdk as these tests call them. vdisk's path is argv[1]."""

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tap import Failed, equal, expect

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "images"))

VDISK = str(Path(sys.argv[1]).resolve())
SANITIZED = os.environ.get("VDISK_SANITIZED") == "1"
SECONDS = 60 if SANITIZED else 10
PEAK_KIB = (1 << 20) if SANITIZED else (64 << 10)
CHUNK = 4 << 20
FOUND_BUG = 99  # exit of a sanitizer that found one
os.environ["ASAN_OPTIONS"] = f"exitcode={FOUND_BUG}"
os.environ["UBSAN_OPTIONS"] = f"halt_on_error=1:exitcode={FOUND_BUG}"


@dataclass
class Result:
    argv: list
    code: int
    out: bytes
    err: str
    peak_kib: int
    seconds: float

    def __str__(self):
        words = " ".join(map(str, self.argv))
        return f"`{words}` left {self.code}, said: {self.err.strip()[:600]}"


def run(*argv, stdin=None, limit=120):
    """Runs to the end; more than `limit` seconds is a failure."""
    argv = [str(word) for word in argv]
    began = time.monotonic()
    child = subprocess.Popen(argv, stdin=stdin or subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE)
    try:
        out, err = child.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
        raise Failed(f"`{' '.join(argv)}` still ran after {limit} s") from None
    return Result(argv, child.returncode, out, err.decode(errors="replace"), 0,
                  time.monotonic() - began)


def good(*argv, **options):
    result = run(*argv, **options)
    expect(result.code == 0, str(result))
    return result


def watched(folder, *argv):
    """Runs with output in files of `folder` and tells the peak memory of this child alone (as far
    as it exceeds this process's own, which a vfork lends to the child)."""
    argv = [str(word) for word in argv]
    out_path, err_path = folder / "watched.out", folder / "watched.err"
    began = time.monotonic()
    with open(out_path, "wb") as out, open(err_path, "wb") as err:
        child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        status, usage = reap(child, SECONDS)
    child.returncode = os.waitstatus_to_exitcode(status)
    return Result(argv, child.returncode, out_path.read_bytes(),
                  err_path.read_text(errors="replace"), usage.ru_maxrss, time.monotonic() - began)


def reap(child, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pid, status, usage = os.wait4(child.pid, os.WNOHANG)
        if pid:
            return status, usage
        time.sleep(0.002)
    child.kill()
    os.wait4(child.pid, 0)
    child.returncode = -9
    raise Failed(f"`{' '.join(child.args)}` still ran after {seconds} s")


def need(*names):
    """A peer that is not there is a failure: all of them are packaged."""
    missing = [name for name in names if not shutil.which(name)]
    if missing:
        print(f"Bail out! install {', '.join(missing)}")
        sys.exit(1)


def vdisk(*argv, **options):
    return good(VDISK, *argv, **options)


def convert(source, target, *options):
    result = vdisk("convert", "-O", "raw", *options, source, target)
    equal(result.out, b"", "standard output of convert")
    return target


def info(path):
    return json.loads(vdisk("info", "--json", path).out)


def vdisk_map(path, *options):
    return json.loads(vdisk("map", "--json", *options, path).out)


def qemu_raw(source, target):
    good("qemu-img", "convert", "-O", "raw", source, target)
    return target


def qemu_map(path):
    return json.loads(good("qemu-img", "map", "--output=json", path).out)


def qemu_create(path, size, *options):
    good("qemu-img", "create", "-q", "-f", "vmdk", *options, path, str(size))
    return path


def qemu_io(path, *commands):
    argv = [word for command in commands for word in ("-c", command)]
    result = good("qemu-io", "-f", "vmdk", *argv, path)
    expect("failed" not in result.err and b"failed" not in result.out, str(result))


# Content of raw files, by stored ranges: terabytes of holes cost nothing.

def stored(path, file):
    """(start, end) of each stored range."""
    size, at = os.path.getsize(path), 0
    while at < size:
        try:
            at = os.lseek(file.fileno(), at, os.SEEK_DATA)
        except OSError:
            return
        end = os.lseek(file.fileno(), at, os.SEEK_HOLE)
        yield at, end
        at = end


def joined(ranges):
    """Union of ranges."""
    whole = []
    for start, end in sorted(ranges):
        if whole and start <= whole[-1][1]:
            whole[-1][1] = max(whole[-1][1], end)
        else:
            whole.append([start, end])
    return whole


def same_bytes(left, right):
    """Two raw files have the same length and bytes."""
    equal(os.path.getsize(left), os.path.getsize(right), f"length of {left}")
    with open(left, "rb") as a, open(right, "rb") as b:
        for start, end in joined([*stored(left, a), *stored(right, b)]):
            for at in range(start, end, CHUNK):
                length = min(CHUNK, end - at)
                one, other = os.pread(a.fileno(), length, at), os.pread(b.fileno(), length, at)
                if one != other:
                    where = next(i for i in range(length) if one[i:i + 1] != other[i:i + 1])
                    raise Failed(f"{left} and {right} differ from byte {at + where} on: "
                                 f"{one[where:where + 8].hex()} and {other[where:where + 8].hex()}")


def few_blocks(path, limit):
    """The file takes little of its host: it was written with holes."""
    used = os.stat(path).st_blocks * 512
    expect(used <= limit, f"{path} takes {used} bytes of storage, expected at most {limit}")
