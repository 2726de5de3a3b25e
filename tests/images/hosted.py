# SPDX-License-Identifier: Apache-2.0
"""Hosted sparse extents (KDMV), uncompressed: Virtual Disk Format 5.0, "Hosted Sparse Extents".

Layouts beyond the standard one, all legal because tables are reached through the directory only:
tables scattered behind the data, no redundant copy, directory entries of 0, and a damaged primary
copy beside a good redundant one.
"""

import struct
from dataclasses import dataclass, replace

import command
import descriptor
from disk import SECTOR, ZERO, Disk, Link, Out, noise, prose, round_up, sectors_for, store

MAGIC = 0x564d444b
NEWLINE_VALID, REDUNDANT, ZEROED_GRAINS = 1, 2, 4
GD_AT_END = 0xffffffffffffffff
HEADER = struct.Struct("<IIIQQQQIQQQB4sH")


@dataclass(frozen=True)
class Shape:
    """How an extent is laid out; the defaults are what Workstation writes."""
    grain: int = 128
    entries: int = 512  # per grain table
    version: int = 1
    flags: int = NEWLINE_VALID | REDUNDANT
    embedded: bool = True
    descriptor_sectors: int = 20
    scattered: bool = False  # data first, then tables in reverse order, the directory last
    absent_tables: bool = False  # a directory entry of 0 where a table would be empty
    reverse: bool = False  # grains in falling order in the file
    unclean: int = 0
    header_capacity: int = 0  # other than the extent's
    damage: str = ""  # "directory": primary GD unusable; "tables": primary GDEs unusable

    @property
    def redundant(self):
        return bool(self.flags & REDUNDANT)


def header(shape, capacity, places, compression=0):
    """`places`: descriptor sector, its length, redundant GD, GD, overhead."""
    at, length, rgd, gd, overhead = places
    fields = HEADER.pack(MAGIC, shape.version, shape.flags, shape.header_capacity or capacity,
                         shape.grain, at, length, shape.entries, rgd, gd, overhead, shape.unclean,
                         b"\n \r\n", compression)
    return fields.ljust(SECTOR, b"\0")


class Layout:
    """Where everything of an extent is, in sectors."""

    def __init__(self, shape, capacity, grains):
        self.shape = shape
        self.num_tables = -(-capacity // (shape.grain * shape.entries))
        self.gd_sectors = sectors_for(self.num_tables * 4)
        self.gt_sectors = sectors_for(shape.entries * 4)
        self.used = {number // shape.entries for number in grains}
        self.text = 1 if shape.embedded else 0
        self.text_sectors = shape.descriptor_sectors if shape.embedded else 0
        self.grain_at = {}
        first = 1 + self.text_sectors
        if shape.scattered:
            self.scatter(first, grains)
        else:
            self.standard(first, grains)

    def standard(self, first, grains):
        one = self.gd_sectors + self.gt_sectors * self.num_tables
        self.rgd = first if self.shape.redundant else 0
        self.gd = first + (one if self.shape.redundant else 0)
        self.gts = self.tables_after(self.gd)
        self.rgts = self.tables_after(self.rgd) if self.shape.redundant else []
        self.overhead = round_up(self.gd + one, self.shape.grain)
        self.end = self.place_grains(self.overhead, grains)

    def tables_after(self, directory):
        start = directory + self.gd_sectors
        return [self.entry(table, start + self.gt_sectors * table)
                for table in range(self.num_tables)]

    def entry(self, table, sector):
        return 0 if self.shape.absent_tables and table not in self.used else sector

    def place_grains(self, start, grains):
        numbers = sorted(grains, reverse=self.shape.reverse)
        at = start
        for number in numbers:
            if grains[number] is not ZERO:
                self.grain_at[number] = at
                at += self.shape.grain
        return at

    def scatter(self, first, grains):
        self.overhead = round_up(first, self.shape.grain)
        at = self.place_grains(self.overhead, grains) + 3
        self.gts, self.rgts = [0] * self.num_tables, [0] * self.num_tables
        for tables in [self.gts, self.rgts][:1 + self.shape.redundant]:
            for table in reversed(range(self.num_tables)):
                tables[table] = self.entry(table, at)
                at += self.gt_sectors + 5
        self.rgd = at if self.shape.redundant else 0
        self.gd = at + (self.gd_sectors + 1 if self.shape.redundant else 0)
        self.end = self.gd + self.gd_sectors

    def places(self):
        gd = 0x7fffffff if self.shape.damage == "directory" else self.gd
        return self.text, self.text_sectors, self.rgd, gd, self.overhead


def table_entries(shape, layout, grains, table):
    first = table * shape.entries
    values = [0] * shape.entries
    for number in range(first, first + shape.entries):
        if number in grains:
            values[number - first] = 1 if grains[number] is ZERO else layout.grain_at[number]
    return struct.pack(f"<{shape.entries}I", *values)


def write_tables(out, shape, layout, grains, redundant):
    tables = layout.rgts if redundant else layout.gts
    directory = list(tables)
    if shape.damage == "tables" and not redundant:
        directory = [0x7ffffff0 + table for table in range(layout.num_tables)]
    out.at(layout.rgd if redundant else layout.gd, struct.pack(f"<{len(directory)}I", *directory))
    for table, sector in enumerate(tables):
        if sector:
            out.at(sector, table_entries(shape, layout, grains, table))


def write_extent(path, capacity, grains, shape, words=""):
    """Writes one extent file; `grains` maps a grain number to bytes or ZERO. Returns the Layout."""
    layout = Layout(shape, capacity, grains)
    with Out(path) as out:
        out.at(0, header(shape, capacity, layout.places()))
        if words:
            out.at(layout.text, descriptor.padded(words, layout.text_sectors))
        if shape.redundant:
            write_tables(out, shape, layout, grains, True)
        write_tables(out, shape, layout, grains, False)
        for number, sector in layout.grain_at.items():
            out.at(sector, grains[number].ljust(shape.grain * SECTOR, b"\0"))
        out.length(max(out.end(), layout.end))
    return layout


def note_grains(link, path, shape, layout, grains, base=0):
    """Tells the link what an extent that begins at sector `base` (grain aligned) holds."""
    for number, data in grains.items():
        where = (path, layout.grain_at.get(number, 0) * SECTOR, False)
        store(link, number + base // shape.grain, shape.grain, data, where)


def write_disk(path, capacity, grains, shape=Shape(), cid=0x11223344, parent=None, hint=None):
    """A whole monolithicSparse link with its embedded descriptor."""
    line = descriptor.extent_line(capacity, "SPARSE", path.name)
    above = (parent.cid, hint or parent.path.name) if parent else None
    words = descriptor.text("monolithicSparse", [line], cid, above)
    link = Link(path, Disk(capacity, parent.disk if parent else None), [], parent, cid)
    layout = write_extent(path, capacity, grains, shape, words)
    note_grains(link, path, shape, layout, grains)
    return link


def sample_grains(shape, capacity, seed):
    """First, last and some grains between: noise, text and a grain that holds zeros."""
    count = -(-capacity // shape.grain)
    size = shape.grain * SECTOR
    chosen = sorted({0, 1, count // 3, count // 3 + 1, count // 2, count - 1} & set(range(count)))
    grains = {number: (noise(seed + number, size) if number % 2 else prose(number, size))
              for number in chosen}
    if count > 8:
        grains[count // 5] = bytes(size)
    return grains


def plain(shape, capacity, seed=1, qemu=True, libvmdk=True):
    def case(folder):
        link = write_disk(folder / "disk.vmdk", capacity, sample_grains(shape, capacity, seed),
                          shape)
        link.qemu, link.libvmdk = qemu, libvmdk
        return link
    return case


def over_parent(shape, capacity, zeros):
    """A child whose zero grains hide the parent's data."""
    def case(folder):
        parent = write_disk(folder / "base.vmdk", capacity,
                            sample_grains(Shape(grain=16), capacity, 7), Shape(grain=16), 0xaaaa)
        grains = sample_grains(shape, capacity, 100)
        grains.update({number: ZERO for number in zeros})
        link = write_disk(folder / "disk.vmdk", capacity, grains, shape, 0xbbbb, parent)
        link.libvmdk = "does not know zeroed grains"
        if not shape.flags & ZEROED_GRAINS:
            link.qemu = "knows zeroed grains only where the flag says so"
        return link
    return case


def split(folder):
    """Three parts of odd sizes, described by a text file; the middle part has zeroed grains."""
    shape = Shape(embedded=False)
    zeroed = replace(shape, version=2, flags=7)
    sizes = [1000 * 128, 128 * 3, 777]
    link = Link(folder / "disk.vmdk", Disk(sum(sizes)), cid=0x5eed)
    lines, base = [], 0
    for index, size in enumerate(sizes, 1):
        part = folder / f"disk-s{index:03d}.vmdk"
        grains = sample_grains(shape, size, index * 50)
        used = zeroed if index == 2 else shape
        if index == 2:
            grains[2] = ZERO
        layout = write_extent(part, size, grains, used)
        note_grains(link, part, used, layout, grains, base)
        lines.append(descriptor.extent_line(size, "SPARSE", part.name))
        base += size
    link.path.write_text(descriptor.text("twoGbMaxExtentSparse", lines, link.cid))
    link.libvmdk = "does not know zeroed grains"
    return link


def no_descriptor_in_part(folder):
    """A split part with an embedded area that is all zeros, as qemu leaves it."""
    shape = Shape()
    part = folder / "disk-s001.vmdk"
    link = Link(folder / "disk.vmdk", Disk(4096), cid=0xe4ea)
    grains = sample_grains(shape, 4096, 3)
    layout = write_extent(part, 4096, grains, shape)
    note_grains(link, part, shape, layout, grains)
    line = descriptor.extent_line(4096, "SPARSE", part.name)
    link.path.write_text(descriptor.text("twoGbMaxExtentSparse", [line], link.cid))
    return link


def beyond_capacity(folder):
    """Table entries past the last grain hold garbage; nobody may look at them."""
    link = plain(Shape(), 128 * 10)(folder)
    layout = Layout(Shape(), 128 * 10, {})
    with open(link.path, "r+b") as file:
        for tables in (layout.gts, layout.rgts):
            file.seek(tables[0] * SECTOR + 4 * 10)
            file.write(b"\xee\xee\xee\xee" * 502)
    return link


PRIMARY_ONLY = ("reads the primary only", "reads the primary only")
CASES = {
    "standard": plain(Shape(), 20483),
    "one-sector": plain(Shape(), 1),
    "grain-less-one": plain(Shape(), 127),
    "one-grain": plain(Shape(), 128),
    "grain-and-one": plain(Shape(), 129),
    "one-table": plain(Shape(), 65536),
    "table-and-grain": plain(Shape(), 65536 + 128),
    "two-tables-and-one": plain(Shape(), 131073),
    "version-2": plain(Shape(version=2, flags=7), 20480),
    "version-3": plain(Shape(version=3), 20480),
    "unclean": plain(Shape(unclean=1), 20480),
    "no-redundant": plain(Shape(flags=NEWLINE_VALID), 70000),
    "no-flags": plain(Shape(flags=0), 20480),
    "unknown-compatible-flag": plain(Shape(flags=3 | 0x100), 20480),
    "scattered": plain(Shape(scattered=True), 200000),
    "scattered-alone": plain(Shape(scattered=True, flags=1), 200000),
    "reverse-grains": plain(Shape(reverse=True), 30000),
    "absent-tables": plain(Shape(absent_tables=True), 65536 * 9),
    "damaged-directory": plain(Shape(damage="directory"), 70000, 1, *PRIMARY_ONLY),
    "damaged-tables": plain(Shape(damage="tables"), 70000, 1, *PRIMARY_ONLY),
    "rounded-capacity": plain(Shape(header_capacity=20480), 20400, qemu="takes the header's"),
    "beyond-capacity": beyond_capacity,
    "zero-over-parent": over_parent(Shape(version=2, flags=7, grain=64), 20480, [0, 5, 40, 41]),
    "zero-version-1": over_parent(Shape(), 20480, [0, 12]),
    "split": split,
    "empty-embedded": no_descriptor_in_part,
}
CASES |= {f"grain-{grain}": plain(Shape(grain=grain), 9 * 2048 + 300, grain, True,
                                  grain > 8 or "wants grains above 8 sectors")
          for grain in (8, 16, 32, 64, 256, 512, 1024, 2048)}
CASES |= {f"entries-{entries}": plain(Shape(entries=entries, grain=16), 70007, entries,
                                      True if entries <= 512 else "limits tables to 512 entries")
          for entries in (128, 256, 1024, 2048, 4096)}

if __name__ == "__main__":
    command.main(CASES, __doc__)
