# SPDX-License-Identifier: Apache-2.0
"""What a guest sees of a disk, and what a link of a chain holds of it.

A Disk is content alone: a capacity and the sectors that are not zero. A Link is one descriptor with
its extents: the disk as seen from it, and where each sector that the link holds is stored, so that
a reader's map can be checked as well as its bytes. Units: sectors of 512 bytes unless named bytes.
"""

import bisect
import hashlib
import random
from dataclasses import dataclass, field
from pathlib import Path

SECTOR = 512
ZERO = "zero"  # in place of a grain's bytes: the link says zeros, and hides its parents
UNMAPPED = "unmapped"  # SESparse only: the same, and the old slot is remembered


def noise(seed, length):
    """Bytes that no compressor makes smaller."""
    return random.Random(seed).randbytes(length)


def prose(seed, length):
    """Bytes that compress well and differ from sector to sector."""
    lines = (f"line {number} of {seed}: all sectors look alike, none is another\n" for number in
             range(length // 40 + 1))
    return "".join(lines).encode()[:length]


class Disk:
    def __init__(self, capacity, base=None):
        """`base`: the parent's content, as far as it reaches."""
        self.capacity = capacity
        self.sectors = {}
        if base:
            self.sectors = {at: data for at, data in base.sectors.items() if at < capacity}

    def put(self, start, data):
        """Bytes from a sector on; what leaves the capacity is dropped."""
        for at in range(0, len(data), SECTOR):
            sector = start + at // SECTOR
            if sector < self.capacity:
                self.sectors[sector] = data[at:at + SECTOR].ljust(SECTOR, b"\0")

    def clear(self, start, count):
        for sector in range(start, start + count):
            self.sectors.pop(sector, None)

    def write(self, path):
        """The raw image, with holes."""
        with open(path, "wb") as raw:
            for start, data in self.runs():
                raw.seek(start * SECTOR)
                raw.write(data)
            raw.truncate(self.capacity * SECTOR)

    def runs(self):
        """Adjacent stored sectors as (start, bytes), ascending."""
        start, parts = None, []
        for sector in sorted(self.sectors):
            if start is None or sector != start + len(parts):
                if parts:
                    yield start, b"".join(parts)
                start, parts = sector, []
            parts.append(self.sectors[sector])
        if parts:
            yield start, b"".join(parts)

    def sha256(self):
        """Of the whole content; for disks of a few MiB."""
        whole = hashlib.sha256()
        for sector in range(self.capacity):
            whole.update(self.sectors.get(sector, bytes(SECTOR)))
        return whole.hexdigest()


@dataclass
class Piece:
    """A range of a link that it holds itself. `file` is None for zeros."""
    start: int
    count: int
    file: Path | None = None
    offset: int = 0  # bytes in the file: of the first sector, or of the compressed record
    compressed: bool = False

    def part(self, start, end):
        """The piece cut to [start, end)."""
        moved = 0 if self.compressed or self.file is None else (start - self.start) * SECTOR
        return Piece(start, end - start, self.file, self.offset + moved, self.compressed)


@dataclass
class Link:
    path: Path
    disk: Disk
    pieces: list = field(default_factory=list)  # any order, no overlap
    parent: "Link | None" = None
    cid: int = 0xffffffff
    # What other programs make of it: True when they read the same content, else the reason why not.
    qemu: "bool | str" = True
    qemu_map: "bool | str" = True
    libvmdk: "bool | str" = True
    sorted: tuple = ()

    def held(self):
        """Sorted pieces and their starts; the link is complete by the time this is first asked."""
        if not self.sorted:
            pieces = sorted(self.pieces, key=lambda piece: piece.start)
            self.sorted = pieces, [piece.start for piece in pieces]
        return self.sorted

    def runs(self):
        """The whole capacity as runs in the form of `vdisk map --json`."""
        return [run_of(piece, depth) for depth, piece in
                resolve(self, 0, self.disk.capacity, 0)]


def resolve(link, start, end, depth):
    """(depth, piece) tiles of [start, end); depth None where no link holds the sectors."""
    if link is None:
        return [(None, Piece(start, end - start))] if start < end else []
    limit = min(end, link.disk.capacity)
    tiles, at = [], start
    held, starts = link.held()
    first = max(bisect.bisect_right(starts, start) - 1, 0)
    for piece in held[first:bisect.bisect_left(starts, limit)]:
        low, high = max(piece.start, at), min(piece.start + piece.count, limit)
        if low >= high:
            continue
        tiles += resolve(link.parent, at, low, depth + 1)
        tiles.append((depth, piece.part(low, high)))
        at = high
    tiles += resolve(link.parent, at, limit, depth + 1)
    return tiles + resolve(None, max(at, limit), end, depth)


def run_of(piece, depth):
    kind = "absent" if depth is None else "zero" if piece.file is None else "data"
    return {
        "start": piece.start * SECTOR, "length": piece.count * SECTOR, "kind": kind,
        "depth": depth or 0, "file": str(piece.file) if piece.file else None,
        "offset": piece.offset, "compressed": piece.compressed,
    }


def store(link, number, grain, data, where=None):
    """Notes that a link holds grain `number` (of `grain` sectors): content and place.

    `data` is bytes, ZERO or UNMAPPED; `where` is (file, offset in bytes, compressed)."""
    start = number * grain
    count = min(grain, link.disk.capacity - start)
    if data in (ZERO, UNMAPPED):
        link.disk.clear(start, count)
        link.pieces.append(Piece(start, count))
        return
    link.disk.put(start, data.ljust(grain * SECTOR, b"\0"))
    link.pieces.append(Piece(start, count, *where))


def sectors_for(length):
    return -(-length // SECTOR)


def round_up(value, unit):
    return -(-value // unit) * unit


class Out:
    """A file written by sectors, in any order."""

    def __init__(self, path):
        self.path = Path(path)
        self.file = open(path, "wb")

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        self.file.close()

    def at(self, sector, data):
        self.file.seek(sector * SECTOR)
        self.file.write(data)

    def length(self, sectors):
        """Cuts or extends the file."""
        self.file.truncate(sectors * SECTOR)

    def end(self):
        """The sector after the last byte written."""
        return sectors_for(self.file.seek(0, 2))
