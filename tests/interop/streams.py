# SPDX-License-Identifier: Apache-2.0
"""A streamOptimized file taken apart record by record, as strictly as its strictest readers: 7-Zip
(markers before tables, footer equal to header, nothing after EOS), VirtualBox (full grains,
ascending), ESXi (version 3), photon-controller (ascending, size below three grains)."""

import re
import struct
import zlib

from tap import equal, expect

SECTOR = 512
GRAIN = 128
GRAIN_BYTES = GRAIN * SECTOR
REGION = 512 * GRAIN
HEADER = struct.Struct("<4sIIQQQQIQQQB4sH")
EOS, GT, GD, FOOTER = 0, 1, 2, 3


def check_header(data):
    """The front up to the first grain; gives the capacity in sectors."""
    (magic, version, flags, capacity, grain, text_at, text_sectors, entries, rgd, gd, overhead,
     unclean, newlines, algorithm) = HEADER.unpack_from(data)
    equal((magic, version, flags, grain), (b"KDMV", 3, 0x30001, GRAIN), "magic to grain size")
    equal((text_at, entries, rgd, gd), (1, 512, 0, 2**64 - 1), "descriptor and tables")
    expect(4 <= text_sectors <= 20, f"descriptor of {text_sectors} sectors")
    equal((overhead, unclean, newlines, algorithm), (GRAIN, 0, b"\n \r\n", 1), "end of header")
    equal(data[HEADER.size:SECTOR].strip(b"\0"), b"", "padding of the header")
    check_text(data[SECTOR:overhead * SECTOR], text_sectors, capacity)
    return capacity


def check_text(area, sectors, capacity):
    text = area.rstrip(b"\0")
    expect(len(text) < sectors * SECTOR and b"\0" not in text, "the descriptor ends in its area")
    lines = text.decode("utf-8").split("\n")
    equal(lines[0], "# Disk DescriptorFile", "first line")
    equal(lines[1], "version=1", "second line")
    expect("\r" not in text.decode() and lines[-1] == "", "LF ends every line")
    cid = next(i for i, line in enumerate(lines) if line.startswith("CID="))
    expect(re.fullmatch(r"CID=[0-9a-f]{8}", lines[cid]), lines[cid])
    equal(lines[cid + 1], "parentCID=ffffffff", "line after CID")
    expect('createType="streamOptimized"' in lines, "createType")
    extents = [line for line in lines if re.match(r"(RW|RDONLY|NOACCESS) ", line)]
    expect(len(extents) == 1 and re.fullmatch(rf'RDONLY {capacity} SPARSE "[^"]+"', extents[0]),
           f"extent lines {extents}")
    for key in ("adapterType", "geometry.cylinders", "geometry.heads", "geometry.sectors",
                "longContentID", "uuid", "virtualHWVersion"):
        equal(sum(line.startswith(f"ddb.{key} = \"") for line in lines), 1, f"lines of ddb.{key}")
    expect(not any("parentFileNameHint" in line for line in lines), "a base has no hint")


def marker(data, at):
    value, size, kind = struct.unpack_from("<QII", data, at)
    return value, size, kind


def check_marker(data, at, value, kind):
    equal(marker(data, at), (value, 0, kind), f"marker at byte {at}")
    equal(data[at + 16:at + SECTOR].strip(b"\0"), b"", "padding of a marker")


def grains(data, at, tables, capacity):
    """Yields (lba, bytes) of every grain, and fills `tables` with the place of every GT."""
    entries, region, last = [0] * 512, None, -1
    while True:
        lba, size, kind = marker(data, at)
        if size:
            expect(lba > last and lba % GRAIN == 0 and lba < capacity, f"lba {lba} after {last}")
            expect(region in (None, lba // REGION), f"grain {lba} before the table of {region}")
            expect(12 + size <= GRAIN_BYTES + SECTOR, f"{size} bytes of compressed data")
            packed = data[at + 12:at + 12 + size]
            inflate = zlib.decompressobj()
            bytes_ = inflate.decompress(packed)
            expect(inflate.eof and not inflate.unused_data, "one zlib stream")
            equal(len(bytes_), GRAIN_BYTES, "inflated length")
            expect(any(bytes_), f"grain {lba} is zeros and yet stored")
            end = -(-(at + 12 + size) // SECTOR) * SECTOR
            equal(data[at + 12 + size:end].strip(b"\0"), b"", "padding of a grain")
            region, last = lba // REGION, lba
            entries[lba % REGION // GRAIN] = at // SECTOR
            yield lba, bytes_
            at = end
        elif kind == GT:
            expect(region is not None, "a table without grains")
            check_marker(data, at, 4, GT)
            found = struct.unpack_from("<512I", data, at + SECTOR)
            equal(found, tuple(entries), f"table of region {region}")
            tables[region] = at // SECTOR + 1
            entries, region = [0] * 512, None
            at += 5 * SECTOR
        else:
            expect(region is None, f"region {region} has no table")
            tables["end"] = at
            return


def check_end(data, at, tables, capacity):
    regions = -(-capacity // REGION)
    sectors = -(-regions * 4 // SECTOR)
    check_marker(data, at, sectors, GD)
    directory = at // SECTOR + 1
    wanted = struct.pack(f"<{regions}I", *(tables.get(i, 0) for i in range(regions)))
    equal(data[at + SECTOR:at + SECTOR + sectors * SECTOR], wanted.ljust(sectors * SECTOR, b"\0"),
          "directory")
    at += SECTOR + sectors * SECTOR
    check_marker(data, at, 1, FOOTER)
    equal(data[at + SECTOR:at + 2 * SECTOR],
          data[:56] + struct.pack("<Q", directory) + data[64:SECTOR], "footer")
    equal(data[at + 2 * SECTOR:], bytes(SECTOR), "EOS and nothing after it")


def check(path, raw):
    """`path` is a proper stream of the raw file."""
    data = path.read_bytes()
    equal(len(data) % SECTOR, 0, "length of the file in sectors")
    capacity, tables = check_header(data), {}
    with open(raw, "rb") as source:
        source.seek(0, 2)
        equal(capacity * SECTOR, source.tell(), "capacity")
        for lba, bytes_ in grains(data, GRAIN_BYTES, tables, capacity):
            source.seek(lba * SECTOR)
            equal(bytes_ == source.read(GRAIN_BYTES).ljust(GRAIN_BYTES, b"\0"), True,
                  f"content of grain {lba}")
    check_end(data, tables.pop("end"), tables, capacity)
