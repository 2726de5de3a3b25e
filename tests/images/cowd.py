# SPDX-License-Identifier: Apache-2.0
"""ESX sparse extents (COWD, "-delta.vmdk") with their descriptor: Virtual Disk Format 5.0, "ESX
Server Sparse Extents". Tables and grains are interleaved in order of allocation; a table entry of
1 means zeros, because sector 1 belongs to the header and can be no grain."""

import struct
from dataclasses import dataclass

import command
import descriptor
from disk import SECTOR, ZERO, Disk, Link, Out, noise, prose, round_up, sectors_for, store

MAGIC = 0x44574f43
ENTRIES = 4096
TABLE_SECTORS = 32
GD_SECTOR = 4


@dataclass(frozen=True)
class Shape:
    grain: int = 1
    version: int = 1
    flags: int = 3
    unclean: int = 0
    tail_sectors: int = 0  # the file is extended ahead of use
    root: bool = True  # the header holds a geometry; a child's holds an empty parent name


def header(shape, capacity, tables, free):
    data = struct.pack("<8I", MAGIC, shape.version, shape.flags, capacity, shape.grain, GD_SECTOR,
                       tables, free)
    data += struct.pack("<3I", 1, 64, 32) if shape.root else b""
    data = data.ljust(1648, b"\0") + struct.pack("<I", shape.unclean)
    return data.ljust(GD_SECTOR * SECTOR, b"\0")


def write_extent(path, capacity, grains, shape=Shape()):
    """`grains`: (number, bytes or ZERO) pairs in order of allocation. Returns {number: sector}."""
    num_tables = -(-capacity // (ENTRIES * shape.grain))
    directory = [0] * num_tables
    tables, places = {}, {}
    free = GD_SECTOR + sectors_for(num_tables * 4)
    with Out(path) as out:
        for number, data in grains:
            table, index = divmod(number, ENTRIES)
            if table not in tables:
                tables[table], directory[table] = [0] * ENTRIES, free
                free += TABLE_SECTORS
            if data is ZERO:
                tables[table][index] = 1
                continue
            tables[table][index] = places[number] = free
            out.at(free, data.ljust(shape.grain * SECTOR, b"\0"))
            free += shape.grain
        out.at(0, header(shape, capacity, num_tables, free))
        out.at(GD_SECTOR, struct.pack(f"<{num_tables}I", *directory))
        for table, values in tables.items():
            out.at(directory[table], struct.pack(f"<{ENTRIES}I", *values))
        out.length(round_up(free, 8) + shape.tail_sectors)
    return places


def write_link(folder, name, capacity, grains, shape=Shape(), cid=0xc0d0, parent=None):
    """Descriptor and delta."""
    delta = folder / f"{name}-delta.vmdk"
    link = Link(folder / f"{name}.vmdk", Disk(capacity, parent.disk if parent else None), [],
                parent, cid)
    places = write_extent(delta, capacity, grains, shape)
    for number, data in grains:
        where = (delta, places.get(number, 0) * SECTOR, False)
        store(link, number, shape.grain, data, where)
    line = descriptor.extent_line(capacity, "VMFSSPARSE", delta.name)
    above = (parent.cid, parent.path.name) if parent else None
    link.path.write_text(descriptor.text("vmfsSparse", [line], cid, above))
    return link


def write_base(folder, capacity, seed=5):
    """A vmfs base whose flat file is full of text."""
    data = prose(seed, capacity * SECTOR)
    flat = folder / "base-flat.vmdk"
    flat.write_bytes(data)
    link = Link(folder / "base.vmdk", Disk(capacity), cid=0x00ba5e00)
    store(link, 0, capacity, data, (flat, 0, False))
    line = descriptor.extent_line(capacity, "VMFS", flat.name)
    link.path.write_text(descriptor.text("vmfs", [line], link.cid))
    return link


def sample_grains(capacity, grain, zeros=True):
    """Grains of several tables in no order; runs of neighbours; the last grain; zeros between."""
    count = -(-capacity // grain)
    wanted = [count - 1, 5, 6, 7, 4096, 0, count // 2, 4095, 9, 8, 4097, count // 3]
    chosen = list(dict.fromkeys(number for number in wanted if 0 <= number < count))
    grains = [(number, noise(number, grain * SECTOR)) for number in chosen]
    if zeros:
        grains[1:1] = [(number, ZERO) for number in (20, 21, 22, count // 2 + 1)
                       if number < count and number not in chosen]
    return grains


CHAIN = "its tools do not join chains"


def judge(link, shape, zeros):
    """qemu and libvmdk read an entry of 1 as the grain in sector 1 of the file, which holds zeros
    as long as a grain does not reach the directory in sector 4."""
    if zeros:
        link.qemu_map = "takes an entry of 1 for a place in the file"
        if shape.grain > 3:
            link.qemu = link.libvmdk = link.qemu_map


def base(capacity, shape=Shape(), zeros=True):
    def make(folder):
        link = write_link(folder, "disk", capacity, sample_grains(capacity, shape.grain, zeros),
                          shape)
        judge(link, shape, zeros)
        return link
    return make


def child(capacity, shape=Shape(root=False)):
    def make(folder):
        parent = write_base(folder, capacity)
        grains = sample_grains(capacity, shape.grain)
        link = write_link(folder, "disk-000001", capacity, grains, shape, 0xc41d, parent)
        judge(link, shape, True)
        link.libvmdk = CHAIN
        return link
    return make


def empty(folder):
    """A fresh delta: header, directory, 4,096 bytes."""
    parent = write_base(folder, 6000)
    link = write_link(folder, "disk-000001", 6000, [], cid=0xfffffffe, parent=parent)
    link.libvmdk = CHAIN
    return link


CASES = {
    "one-table": base(4096),
    "partial-last-table": base(5 * 4096 + 777),
    "no-zeros": base(3 * 4096 + 1, zeros=False),
    "one-sector": base(1, zeros=False),
    "unclean": base(9000, Shape(unclean=1)),
    "extended-ahead": base(9000, Shape(tail_sectors=2048)),
    "grain-8": base(4096 * 8 * 2 + 100, Shape(grain=8)),
    "grain-128": base(4096 * 128 + 1000, Shape(grain=128)),
    "child": child(3 * 4096),
    "child-partial": child(2 * 4096 + 33),
    "child-grain-64": child(20000, Shape(grain=64, root=False)),
    "child-empty": empty,
}

if __name__ == "__main__":
    command.main(CASES, __doc__)
