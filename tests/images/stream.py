# SPDX-License-Identifier: Apache-2.0
"""streamOptimized disks as each known writer leaves them: Virtual Disk Format 5.0,
"Stream-Optimized Compressed Sparse Extents", and what the writers named below are seen to do.

A Style says how: where the tables are, which markers stand, how the end looks. Readers must take
them all; `qemu` of a made Link says where qemu-img does not.
"""

import struct
import zlib
from dataclasses import dataclass, replace

import command
import descriptor
import hosted
from disk import SECTOR, Disk, Link, Out, noise, prose, round_up, sectors_for, store

GT, GD, FOOTER, PROGRESS = 1, 2, 3, 4
ENTRIES = 512
COMPRESSED, MARKERS = 0x10000, 0x20000


@dataclass(frozen=True)
class Style:
    """The defaults are VMware's own export."""
    version: int = 3
    flags: int = COMPRESSED | MARKERS | hosted.NEWLINE_VALID
    grain: int = 128
    tables: str = "regions"  # or "front", "end"
    front_redundant: bool = False
    gd_in_header: bool = False  # although the tables are behind
    table_markers: bool = True
    one_marker: bool = False  # one GT marker with val 0 before all tables
    end_redundant: bool = False  # a second set of tables, named in the footer only
    skip_empty: bool = True  # no table for a region without grains
    footer: bool = True
    footer_overhead: int = 0
    eos: bool = True
    level: int = 1
    last_short: bool = False
    progress_every: int = 0
    gap_before_tables: int = 0  # sectors of zeros
    tail: bytes = b""
    tail_to_grain: bool = False  # zeros up to a multiple of the grain
    text_sectors: int = 1
    overhead_aligned: bool = True
    spare_gd_sectors: int = 0
    words: object = None  # function(capacity, cid) -> descriptor text


def vmware_words(capacity, cid):
    lines = descriptor.text("streamOptimized", [
        descriptor.extent_line(capacity, "SPARSE", "generated-stream.vmdk", access="RDONLY")],
        cid, ddb={"adapterType": "lsilogic", "geometry.sectors": "63"}).splitlines()
    return "\n".join(line + " " if "=" in line else line for line in lines) + "\n"


def plain_words(capacity, cid, name="disk"):
    line = descriptor.extent_line(capacity, "SPARSE", name)
    return descriptor.text("streamOptimized", [line], cid, encoding=None)


def converter_words(capacity, cid):
    return plain_words(capacity, cid).replace("# Disk DescriptorFile",
                                              "# Description file created by a converter")


def orchestra_words(capacity, cid):
    """The CID as a decimal number."""
    return plain_words(capacity, cid).replace(f"CID={cid:08x}", f"CID={cid}", 1)


def virtualbox_words(capacity, cid):
    ddb = dict(descriptor.DDB, **{
        "uuid.image": "9d0a51a5-1b42-4b0c-a3d4-0ac85a3ed40c",
        "uuid.parent": "00000000-0000-0000-0000-000000000000",
        "uuid.modification": "00000000-0000-0000-0000-000000000000",
        "uuid.parentmodification": "00000000-0000-0000-0000-000000000000",
        "comment": ""})
    line = descriptor.extent_line(capacity, "SPARSE", "appliance-disk001.vmdk")
    return descriptor.text("streamOptimized", [line], cid, ddb=ddb, encoding=None).replace(
        "# The Disk Data Base ", "# The disk Data Base ")


def marker(value, kind, payload=b""):
    return struct.pack("<QII", value, 0, kind) + payload.ljust(SECTOR - 16, b"\0")


def record(lba, data, level):
    """A compressed grain; `data` may be (bytes, zlib stream) where the stream is special."""
    packed = data[1] if isinstance(data, tuple) else zlib.compress(data, level)
    raw = struct.pack("<QI", lba, len(packed)) + packed
    return raw.ljust(round_up(len(raw), SECTOR), b"\0")


def bloated(data):
    """A valid zlib stream larger than its data: stored blocks of 200 bytes and empty ones."""
    out = [b"\x78\x01"]
    for at in range(0, len(data), 200):
        part = data[at:at + 200]
        out += [b"\0\0\0\xff\xff", struct.pack("<BHH", 0, len(part), len(part) ^ 0xffff), part]
    return b"".join(out) + b"\x01\0\0\xff\xff" + struct.pack(">I", zlib.adler32(data))


class Writer:
    def __init__(self, out, style, link):
        self.out, self.style, self.link = out, style, link
        self.capacity = link.disk.capacity
        self.num_tables = -(-self.capacity // (style.grain * ENTRIES))
        self.gd_sectors = sectors_for(self.num_tables * 4) + style.spare_gd_sectors
        self.entries = {}  # table -> {index: sector}
        self.gd, self.rgd = [0] * self.num_tables, [0] * self.num_tables
        self.next = 0
        self.region = None

    def emit(self, data):
        at = self.next
        self.out.at(at, data)
        self.next += sectors_for(len(data))
        return at

    def front(self):
        """Sets the tables in front and returns (redundant GD, GD, overhead)."""
        at, places = 1 + self.style.text_sectors, []
        for directory in ([self.rgd] if self.style.front_redundant else []) + [self.gd]:
            places.append(at)
            at += self.gd_sectors
            for table in range(self.num_tables):
                directory[table] = at + 4 * table
            at += 4 * self.num_tables
        overhead = round_up(at, self.style.grain) if self.style.overhead_aligned else at
        return (places[0] if len(places) > 1 else 0), places[-1], overhead

    def grain(self, number, data):
        table = number // ENTRIES
        if self.style.tables == "regions" and self.region not in (None, table):
            self.table(self.region)
        self.region = table
        raw = data[0] if isinstance(data, tuple) else data
        whole = raw.ljust(self.style.grain * SECTOR, b"\0")
        left = (self.capacity - number * self.style.grain) * SECTOR
        kept = whole[:left] if self.style.last_short else whole
        kept = (kept, data[1]) if isinstance(data, tuple) else kept
        at = self.emit(record(number * self.style.grain, kept, self.style.level))
        self.entries.setdefault(table, {})[number % ENTRIES] = at
        store(self.link, number, self.style.grain, whole, (self.link.path, at * SECTOR, True))

    def table_bytes(self, table):
        held = self.entries.get(table, {})
        return struct.pack(f"<{ENTRIES}I", *(held.get(index, 0) for index in range(ENTRIES)))

    def table(self, table, with_marker=True, directory=None):
        if self.style.skip_empty and table not in self.entries:
            return
        if with_marker and self.style.table_markers:
            self.emit(marker(4, GT))
        (self.gd if directory is None else directory)[table] = self.emit(self.table_bytes(table))

    def all_tables(self, directory):
        if self.style.one_marker:
            self.emit(marker(0, GT))
        for table in range(self.num_tables):
            self.table(table, not self.style.one_marker, directory)

    def directory(self, values):
        if self.style.table_markers:
            self.emit(marker(0 if self.style.one_marker else self.gd_sectors, GD))
        data = struct.pack(f"<{len(values)}I", *values)
        return self.emit(data.ljust(self.gd_sectors * SECTOR, b"\0"))

    def tables_behind(self):
        """Returns (redundant GD, GD)."""
        self.next += self.style.gap_before_tables
        if self.style.tables == "regions":
            if self.region is not None:
                self.table(self.region)
            for table in range(0 if self.style.skip_empty else self.num_tables):
                if table not in self.entries:
                    self.table(table)
            return 0, self.directory(self.gd)
        rgd = 0
        if self.style.end_redundant:
            self.all_tables(self.rgd)
            rgd = self.directory(self.rgd)
        self.all_tables(self.gd)
        return rgd, self.directory(self.gd)

    def tables_in_front(self, rgd, gd):
        for at, directory in ((rgd, self.rgd), (gd, self.gd)):
            if at:
                self.out.at(at, struct.pack(f"<{self.num_tables}I", *directory))
                for table, sector in enumerate(directory):
                    self.out.at(sector, self.table_bytes(table))

    def header(self, rgd, gd, overhead):
        shape = hosted.Shape(self.style.grain, ENTRIES, self.style.version, self.style.flags)
        return hosted.header(shape, self.capacity, (1, self.style.text_sectors, rgd, gd, overhead),
                             1)

    def finish(self):
        if self.style.eos:
            self.emit(bytes(SECTOR))
        if self.style.tail_to_grain:
            self.next = round_up(self.next, self.style.grain)
        self.out.length(self.next)
        if self.style.tail:
            self.out.at(self.next, self.style.tail)


def write(path, capacity, grains, style=Style(), cid=0x0cafe123):
    """`grains`: (number, bytes) pairs in the order they are to be stored."""
    link = Link(path, Disk(capacity), cid=cid)
    words = (style.words or vmware_words)(capacity, cid)
    with Out(path) as out:
        writer = Writer(out, style, link)
        in_front = style.tables == "front"
        rgd, gd, overhead = writer.front() if in_front else (0, hosted.GD_AT_END, style.grain)
        writer.next = overhead
        out.at(1, descriptor.padded(words, style.text_sectors))
        for count, (number, data) in enumerate(grains, 1):
            writer.grain(number, data)
            if style.progress_every and count % style.progress_every == 0:
                writer.emit(marker(0, PROGRESS, struct.pack("<Q", count)))
        if in_front:
            writer.tables_in_front(rgd, gd)
        else:
            foot_rgd, foot_gd = writer.tables_behind()
            gd = foot_gd if style.gd_in_header else gd
            if style.footer:
                writer.emit(marker(1, FOOTER))
                writer.emit(writer.header(foot_rgd, foot_gd, style.footer_overhead or overhead))
        out.at(0, writer.header(rgd, gd, overhead))
        writer.finish()
    return link


VMWARE = Style()
VIRTUALBOX = Style(words=virtualbox_words, text_sectors=20, level=6)
QEMU = Style(flags=0x30003, tables="front", front_redundant=True, table_markers=False, footer=False,
             eos=False, level=6, last_short=True, tail_to_grain=True, text_sectors=20,
             words=plain_words)
OPEN_VMDK = Style(tables="front", table_markers=False, footer=False, level=9, last_short=True,
                  overhead_aligned=False, text_sectors=20, words=plain_words)
VMDKTOOL = Style(gd_in_header=True, skip_empty=False, spare_gd_sectors=1, words=plain_words)
CONVERTER = Style(gd_in_header=True, level=6, words=converter_words, text_sectors=2)
ORCHESTRA = Style(flags=0x30003, tables="end", end_redundant=True, one_marker=True,
                  skip_empty=False, footer_overhead=256, gap_before_tables=7, text_sectors=12,
                  words=orchestra_words)
THIRD_PARTY = replace(OPEN_VMDK, level=1)

CAPACITY = 65536 * 4 + 128 * 5  # five tables, of which one stays empty


def grain_list(capacity, grain=128, seed=1):
    """Ascending grains in several regions: text, noise, the last one; the third region is empty."""
    count = -(-capacity // grain)
    size = grain * SECTOR
    wanted = {0, 1, 2, 511, 512, 600, count // 2 + 600, count - 2, count - 1} & set(range(count))
    chosen = sorted(number for number in wanted if number // ENTRIES != 2)
    return [(number, noise(number, size) if number % 3 == 1 else prose(seed + number, size))
            for number in chosen]


def case(style, capacity=CAPACITY, qemu=True, libvmdk=True, reorder=None):
    def make(folder):
        grains = grain_list(capacity, style.grain)
        link = write(folder / "disk.vmdk", capacity, reorder(grains) if reorder else grains, style)
        link.qemu = qemu
        link.libvmdk = libvmdk
        return link
    return make


def incompressible(folder):
    """Records above a grain (stored blocks), one of them half as large again."""
    size = 128 * SECTOR
    grains = [(number, noise(number, size)) for number in range(6)]
    data = noise(99, size)
    grains.append((7, (data, bloated(data))))
    return write(folder / "disk.vmdk", 128 * 20, grains, replace(VMWARE, level=0))


def every_grain(folder):
    grains = [(number, prose(number, 128 * SECTOR)) for number in range(1100)]
    return write(folder / "disk.vmdk", 128 * 1100, grains, VMWARE)


def empty(style):
    return lambda folder: write(folder / "disk.vmdk", 128 * 600, [], style)


ODD = 65536 + 1000  # the last grain is partial
FOOTER_AT_END = "looks for the footer at one place only"
CASES = {
    "vmware": case(VMWARE),
    "virtualbox": case(VIRTUALBOX),
    "qemu": case(QEMU),
    "open-vmdk": case(OPEN_VMDK),
    "vmdktool": case(VMDKTOOL),
    "converter": case(CONVERTER, libvmdk="wants the usual first line"),
    "orchestra": case(ORCHESTRA, libvmdk="wants a hexadecimal CID"),
    "third-party": case(THIRD_PARTY),
    "vmware-full-last": case(VMWARE, ODD),
    "vmware-short-last": case(replace(VMWARE, last_short=True), ODD),
    "qemu-short-last": case(QEMU, ODD),
    "open-vmdk-short-last": case(OPEN_VMDK, ODD),
    "open-vmdk-full-last": case(replace(OPEN_VMDK, last_short=False), ODD),
    "version-1": case(replace(VMWARE, version=1)),
    "version-2": case(replace(VMWARE, version=2)),
    "progress": case(replace(VMWARE, progress_every=2)),
    "unordered": case(replace(VMWARE, tables="end"), reorder=lambda grains: grains[::-1]),
    "front-no-eos": case(replace(OPEN_VMDK, eos=False)),
    "footer-no-eos": case(replace(VMWARE, eos=False),
                          qemu=FOOTER_AT_END, libvmdk=FOOTER_AT_END),
    "trailing-sector": case(replace(VMWARE, tail=b"garbage!" * 64),
                            qemu=FOOTER_AT_END, libvmdk=FOOTER_AT_END),
    "trailing-bytes": case(replace(VMWARE, tail=b"tar padding\n" * 1000),
                           qemu=FOOTER_AT_END, libvmdk=FOOTER_AT_END),
    "trailing-zeros": case(replace(VMWARE, tail=bytes(10240)),
                           qemu=FOOTER_AT_END, libvmdk=FOOTER_AT_END),
    "front-trailing": case(replace(OPEN_VMDK, tail=b"x" * 700)),
    "grain-8": case(replace(VMWARE, grain=8), 8 * 3000 + 3, libvmdk="wants grains above 8 sectors"),
    "grain-512": case(replace(VMWARE, grain=512), 512 * 700),
    "incompressible": incompressible,
    "every-grain": every_grain,
    "empty-vmware": empty(VMWARE),
    "empty-open-vmdk": empty(OPEN_VMDK),
}

if __name__ == "__main__":
    command.main(CASES, __doc__)
