# SPDX-License-Identifier: Apache-2.0
"""SESparse extents with their descriptor. There is no public specification; the layout is the one
qemu's block/vmdk.c reads and logs of ESXi show, see the project's PROVENANCE.md."""

import struct
from dataclasses import dataclass

import command
import cowd
import descriptor
from disk import SECTOR, UNMAPPED, ZERO, Disk, Link, Out, noise, round_up, sectors_for, store

MAGIC = 0xcafebabe
VOLATILE_MAGIC = 0xcafecafe
VERSION = 0x0000000200000001
GRAIN = 8
ENTRIES = 4096
TABLE_SECTORS = 64
AREA = 2048  # every area begins at a multiple of this
ALLOCATED, ZEROED, TRIMMED = 3, 2, 1


@dataclass(frozen=True)
class Shape:
    reserved1: int = 0  # 0x200 from newer hosts
    version: int = VERSION
    first_slot: int = 0
    reverse_slots: bool = False
    scatter_tables: bool = False  # tables handed out as a host that writes backwards would
    replay_journal: int = 0


class Areas:
    def __init__(self, capacity):
        grains = -(-capacity // GRAIN)
        self.num_tables = -(-grains // ENTRIES)
        self.gd = 2 * AREA
        self.gd_size = round_up(sectors_for(self.num_tables * 8), AREA)
        self.gt = self.gd + self.gd_size
        self.gt_size = round_up(self.num_tables * TABLE_SECTORS, AREA)
        self.bitmap = self.gt + self.gt_size
        self.bitmap_size = round_up(sectors_for(-(-grains // 8)), AREA)
        self.backmap = self.bitmap + self.bitmap_size
        self.backmap_size = round_up(self.num_tables * TABLE_SECTORS, AREA)
        self.grains = self.backmap + self.backmap_size

    def fields(self, capacity):
        return (1, 1, 2, 2, AREA, AREA, self.gd, self.gd_size, self.gt, self.gt_size, self.bitmap,
                self.bitmap_size, self.backmap, self.backmap_size, self.grains, capacity)


def header(shape, capacity, areas):
    data = struct.pack("<10Q", MAGIC, shape.version, capacity, GRAIN, TABLE_SECTORS, 0,
                       shape.reserved1, 0, 0, 0)
    return (data + struct.pack("<16Q", *areas.fields(capacity))).ljust(SECTOR, b"\0")


def volatile_header(shape, next_table):
    return struct.pack("<4Q", VOLATILE_MAGIC, next_table, 1, shape.replay_journal).ljust(
        SECTOR, b"\0")


def entry(kind, slot):
    return kind << 60 | (slot & 0xfff) << 48 | slot >> 12


def table_order(shape, grains):
    """Table -> its index in the table area: order of first use, never that of addresses."""
    used = list(dict.fromkeys(number // ENTRIES for number, _ in grains))
    if shape.scatter_tables:
        used.reverse()
    return {table: index for index, table in enumerate(used)}


def slots_for(shape, grains):
    """Grain -> slot, for grains that have or had data."""
    holders = [number for number, data in grains if data is not ZERO]
    slots = range(shape.first_slot, shape.first_slot + len(holders))
    return dict(zip(holders, reversed(slots) if shape.reverse_slots else slots))


def table_entry(data, slot):
    if data is ZERO:
        return entry(ZEROED, 0)
    return entry(TRIMMED if data is UNMAPPED else ALLOCATED, slot)


def write_extent(path, capacity, grains, shape=Shape()):
    """`grains`: (number, bytes, ZERO or UNMAPPED) pairs in order of first use. Returns
    {number: sector} of what is allocated."""
    areas = Areas(capacity)
    order, slots, places = table_order(shape, grains), slots_for(shape, grains), {}
    with Out(path) as out:
        out.at(0, header(shape, capacity, areas) + volatile_header(shape, len(order)))
        for table, index in order.items():
            out.file.seek(areas.gd * SECTOR + table * 8)
            out.file.write(struct.pack("<Q", 1 << 60 | index))
        for number, data in grains:
            table, index = divmod(number, ENTRIES)
            out.file.seek((areas.gt + order[table] * TABLE_SECTORS) * SECTOR + index * 8)
            out.file.write(struct.pack("<Q", table_entry(data, slots.get(number))))
            if data not in (ZERO, UNMAPPED):
                places[number] = areas.grains + slots[number] * GRAIN
                out.at(places[number], data.ljust(GRAIN * SECTOR, b"\0"))
        out.length(max(round_up(out.end(), GRAIN), areas.grains))
    return places


def write_link(folder, name, capacity, grains, shape=Shape(), cid=0x5e5e, parent=None):
    extent = folder / f"{name}-sesparse.vmdk"
    link = Link(folder / f"{name}.vmdk", Disk(capacity, parent.disk if parent else None), [],
                parent, cid)
    places = write_extent(extent, capacity, grains, shape)
    for number, data in grains:
        store(link, number, GRAIN, data, (extent, places.get(number, 0) * SECTOR, False))
    line = descriptor.extent_line(capacity, "SESPARSE", extent.name)
    above = (parent.cid, parent.path.name) if parent else None
    link.path.write_text(descriptor.text("seSparse", [line], cid, above))
    link.libvmdk = "does not know SESPARSE"
    return link


def sample_grains(capacity):
    """All four states, several tables in no order, runs of neighbours, the last grain."""
    count = -(-capacity // GRAIN)
    wanted = [count - 1, 4097, 0, 1, 2, 4095, count // 2, 3, 4096, 7]
    chosen = list(dict.fromkeys(number for number in wanted if 0 <= number < count))
    grains = [(number, noise(number, GRAIN * SECTOR)) for number in chosen]
    for number, state in ((10, ZERO), (11, ZERO), (12, UNMAPPED), (14, UNMAPPED),
                          (count // 2 + 1, UNMAPPED), (count // 2 + 2, ZERO)):
        if number < count and number not in chosen:
            grains.insert(2, (number, state))
    return grains


def base(capacity, shape=Shape(), qemu=True):
    def make(folder):
        link = write_link(folder, "disk", capacity, sample_grains(capacity), shape)
        link.qemu = qemu
        return link
    return make


def child(capacity, shape=Shape()):
    def make(folder):
        parent = cowd.write_base(folder, capacity)
        return write_link(folder, "disk-000001", capacity, sample_grains(capacity), shape, 0xc41d,
                          parent)
    return make


def misnamed(folder):
    """The descriptor calls it COWD; the file knows better."""
    link = base(204800)(folder)
    link.path.write_text(link.path.read_text().replace("SESPARSE", "VMFSSPARSE"))
    link.qemu = "believes the descriptor"
    return link


def empty(folder):
    return write_link(folder, "disk", 204800, [])


CASES = {
    "plain": base(204800),
    "reverse-slots": base(204800, Shape(reverse_slots=True)),
    "high-slots": base(204800, Shape(first_slot=4090)),
    "higher-slots": base(1 << 22, Shape(first_slot=200000, reverse_slots=True)),
    "table-order": base(ENTRIES * GRAIN * 6, Shape(scatter_tables=True)),
    "partial-last-grain": base(ENTRIES * GRAIN * 2 + 13),
    "one-sector": base(1),
    "reserved": base(204800, Shape(reserved1=0x200), qemu="refuses the reserved field"),
    "child": child(40960, Shape(reverse_slots=True, scatter_tables=True)),
    "misnamed": misnamed,
    "empty": empty,
}

if __name__ == "__main__":
    command.main(CASES, __doc__)
