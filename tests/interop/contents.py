# SPDX-License-Identifier: Apache-2.0
"""Raw disks of many shapes, as source of what other programs then write."""

import os
import random

SECTOR = 512
MIB = 1 << 20
GIB = 1 << 30


def pattern(seed, length):
    """Half noise, half text: some grains compress, some do not."""
    source = random.Random(seed)
    half = length // 2
    text = b"".join(b"line %d of %d\n" % (number, seed) for number in range(half // 8))[:half]
    return source.randbytes(length - len(text)) + text


def write(path, length, pieces):
    """A raw file with holes around (offset, bytes)."""
    with open(path, "wb") as raw:
        for offset, data in pieces:
            raw.seek(offset)
            raw.write(data)
        raw.truncate(length)
    return path


def scattered(seed, length, count, most=100000):
    """Data at sector-aligned places of any length, some of them zeros that are stored."""
    source = random.Random(seed)
    for number in range(count):
        size = min(source.randrange(1, most), length)
        offset = source.randrange(0, length - size + 1) // SECTOR * SECTOR
        yield offset, bytes(size) if number % 5 == 4 else pattern(seed + number, size)


def noise(path):
    return write(path, 3 * MIB + 5 * SECTOR, [(0, random.Random(1).randbytes(3 * MIB + 2560))])


def zeros(path):
    return write(path, 4 * MIB, [(0, bytes(4 * MIB))])


def holes(path):
    return write(path, 33 * MIB, [])


def runs(path):
    """Runs of data and zeros that begin and end anywhere."""
    return write(path, 20 * MIB + 3 * SECTOR, scattered(7, 20 * MIB, 60))


def alternating(path):
    return write(path, 8 * MIB, [(at, pattern(at, 65536)) for at in range(0, 8 * MIB, 131072)])


def one_sector(path):
    return write(path, SECTOR, [(0, pattern(3, SECTOR))])


def odd_tail(path):
    """The last grain is 3 sectors long and holds data."""
    length = 10 * MIB + 3 * SECTOR
    return write(path, length, [(length - 3 * SECTOR, pattern(4, 3 * SECTOR)), (5, b"x")])


def grain_and_one(path):
    return write(path, 129 * SECTOR, [(0, pattern(5, 129 * SECTOR))])


def one_table(path):
    """Exactly one grain table, first and last grain in use."""
    return write(path, 32 * MIB, [(0, pattern(6, 70000)), (32 * MIB - 512, b"end")])


def several_extents(path):
    """Data across the 2 GiB borders of split disks."""
    places = [0, 2 * GIB - 70000, 2 * GIB, 4 * GIB - 4096, 5 * GIB - 100]
    return write(path, 5 * GIB, [(at, pattern(at % 97, 100000)) for at in places[:-1]] +
                 [(places[-1], b"the last hundred bytes")])


SMALL = {one.__name__.replace("_", "-"): one for one in (
    noise, zeros, holes, runs, alternating, one_sector, odd_tail, grain_and_one, one_table,
    several_extents)}


def huge(path):
    """Past 2 TiB, with a little data on both sides of it."""
    places = [0, (2 << 40) - 4096, (2 << 40) + (1 << 30) + 512, (2 << 40) + (40 << 30) - 1536]
    return write(path, (2 << 40) + (40 << 30), [(at, pattern(at % 89, 1536)) for at in places])


def length(path):
    return os.path.getsize(path)
