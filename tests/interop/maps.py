# SPDX-License-Identifier: Apache-2.0
"""Maps of three kinds, compared range by range: what vdisk tells, what qemu-img tells, and what a
builder of tests/images knows. They may cut a disk into runs differently; what they say of every
byte must agree. vdisk calls a hole of a flat file zero.

qemu-img: `data` is stored in some link (`depth`), `offset` where (not for compressed grains);
without `data`, `present` means that a link says zeros, else no link holds the range. A hole of a
flat file is data and zero at once."""

import os

from tap import Failed, equal, expect


def tiled(answer):
    """The runs of `vdisk map --json`, after a check that they tile the capacity."""
    at = 0
    for run in answer["runs"]:
        equal(run["start"], at, "start of a run")
        expect(run["length"] > 0, f"the run at {at} has no length")
        expect(run["kind"] in ("data", "zero", "absent"), f"kind of the run at {at}: {run}")
        at += run["length"]
    equal(at, answer["capacity"], "end of the last run")
    return answer["runs"]


def shared(left, right):
    """(start, end, run of left, run of right) of every range neither map cuts."""
    i = j = 0
    while i < len(left) and j < len(right):
        a, b = left[i], right[j]
        ends = a["start"] + a["length"], b["start"] + b["length"]
        start, end = max(a["start"], b["start"]), min(ends)
        if start < end:
            yield start, end, a, b
        i, j = i + (ends[0] == end), j + (ends[1] == end)


def is_hole(file, offset, length):
    """Nothing is stored there: the file says so."""
    handle = os.open(file, os.O_RDONLY)
    try:
        return os.lseek(handle, offset, os.SEEK_DATA) >= offset + length
    except OSError:
        return True  # no data behind the offset
    finally:
        os.close(handle)


def place(run, start):
    """Offset in the file of byte `start` of the disk; of the record where it is compressed."""
    return run["offset"] + (0 if run["compressed"] else start - run["start"])


def differ(start, end, found, wanted):
    return Failed(f"bytes {start} to {end}: found {found}, expected {wanted}")


def against_builder(found, wanted):
    """Kind, link, file and place of every byte are those the builder noted."""
    for start, end, run, known in shared(found, wanted):
        if not same_place(start, end, run, known):
            raise differ(start, end, run, known)


def same_place(start, end, run, known):
    if run["kind"] == "zero" and known["kind"] == "data" and not known["compressed"]:
        return run["depth"] == known["depth"] and is_hole(known["file"], place(known, start),
                                                          end - start)
    if run["kind"] != known["kind"]:
        return False
    if run["kind"] == "absent":
        return True
    if run["depth"] != known["depth"]:
        return False
    return run["kind"] == "zero" or same_record(start, run, known)


def same_record(start, run, known):
    if run["compressed"] != known["compressed"] or not os.path.samefile(run["file"],
                                                                        known["file"]):
        return False
    if run["compressed"] and start > run["start"]:
        return True  # a run of grains tells where the first one's record is
    return place(run, start) == place(known, start)


def qemu_kinds(run):
    """What vdisk may call it: a hole of a flat file is zero."""
    if run["data"]:
        return ("data", "zero") if run["zero"] else ("data",)
    return ("zero",) if run["present"] else ("absent",)


def against_qemu(found, wanted):
    for start, end, run, known in shared(found, wanted):
        if run["kind"] not in qemu_kinds(known):
            raise differ(start, end, run, known)
        if run["kind"] != "absent" and run["depth"] != known["depth"]:
            raise differ(start, end, run, known)
        if "offset" in known and run["kind"] == "data" and not run["compressed"]:
            equal(place(run, start), known["offset"] + start - known["start"],
                  f"offset in the file of byte {start}")
    total = sum(run["length"] for run in wanted)
    equal(sum(run["length"] for run in found), total, "length of the map")
