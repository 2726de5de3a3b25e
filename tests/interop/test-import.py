#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What importers ask of a streamOptimized disk, rule by rule, over streams that vdisk writes from
every sort of source. Each rule names who needs it. streams.py walks a stream as a whole."""

import re
import struct
import subprocess
import zlib

import contents
from programs import VDISK, good, info, need, qemu_raw, same_bytes, vdisk
from tap import equal, expect, memory, plan

SECTOR = 512
GRAIN = 128
GRAIN_BYTES = GRAIN * SECTOR
REGION = 512 * GRAIN
ODD = 70 * (1 << 20) + 3 * SECTOR  # three tables, the last grain cut off


class Stream:
    """A stream in its parts: header fields, descriptor lines, records in order."""

    def __init__(self, path, raw):
        self.data = path.read_bytes()
        self.raw = raw.read_bytes()
        (self.magic, self.version, self.flags, self.capacity, self.grain, self.text_at,
         self.text_sectors, self.entries, self.rgd, self.gd, self.overhead, self.unclean,
         self.newlines, self.algorithm) = struct.unpack_from("<4sIIQQQQIQQQB4sH", self.data)
        area = self.data[self.text_at * SECTOR:][:self.text_sectors * SECTOR]
        self.room = len(area) - len(area.rstrip(b"\0"))
        self.lines = area.rstrip(b"\0").decode().split("\n")
        self.grains, self.tables = [], []  # (sector, lba, size, bytes), (sector, entries, regions)
        self.markers = []  # (sector, value, type) of all but tables
        self.walk()

    def walk(self):
        at = self.overhead * SECTOR
        while at < len(self.data):
            lba, size, kind = struct.unpack_from("<QII", self.data, at)
            if size:
                end = -(-(at + 12 + size) // SECTOR) * SECTOR
                self.grains.append((at // SECTOR, lba, size, self.data[at + 12:end]))
                at = end
                continue
            body = self.data[at + SECTOR:at + SECTOR + lba * SECTOR]
            if kind == 1:
                self.tables.append((at // SECTOR + 1, struct.unpack("<512I", body),
                                    {grain[1] // REGION for grain in self.grains[self.seen():]}))
            else:
                self.markers.append((at // SECTOR, lba, kind))
            at += SECTOR + len(body)

    def seen(self):
        """Grains that the tables so far name."""
        return sum(sum(1 for entry in table[1] if entry) for table in self.tables)

    def sector(self, number):
        return self.data[number * SECTOR:(number + 1) * SECTOR]

    def value(self, key):
        found = [line for line in self.lines if line.startswith(key)]
        equal(len(found), 1, f"lines that begin with {key}")
        return found[0][len(key):]

    def directory(self):
        at = next(sector for sector, _, kind in self.markers if kind == 2) + 1
        return at, struct.unpack_from(f"<{-(-self.capacity // REGION)}I", self.data, at * SECTOR)


RULES = {}


def rule(name):
    def enter(body):
        RULES[name] = body
        return body
    return enter


@rule("header of version 3: ESXi calls others too old, photon-controller wants 3 at least")
def _(s):
    equal((s.magic, s.version), (b"KDMV", 3), "magic and version")


@rule("flags for newlines, compression and markers, and no other: photon-controller, VMware's own")
def _(s):
    equal((s.flags, s.algorithm, s.newlines), (0x30001, 1, b"\n \r\n"), "flags, algorithm, bytes")


@rule("the exact capacity, in header and descriptor: all")
def _(s):
    equal(s.capacity * SECTOR, len(s.raw), "capacity")
    expect(f"RDONLY {s.capacity} SPARSE " in "\n".join(s.lines), "extent line")


@rule("grains of 64 KiB and tables of 512 entries: 7-Zip, VirtualBox")
def _(s):
    equal((s.grain, s.entries), (GRAIN, 512), "grain and table")


@rule("no redundant directory, and not marked as in use: VMware's own")
def _(s):
    equal((s.rgd, s.unclean), (0, 0), "rgdOffset and uncleanShutdown")


@rule("overHead of whole grains, and no grain before it: 7-Zip, VMware's own")
def _(s):
    equal(s.overhead % GRAIN, 0, "overHead")
    expect(all(sector >= s.overhead for sector, *_ in s.grains), "grains before overHead")


@rule("descriptor in sector 1, of 4 to 20 sectors, zeros behind it: VirtualBox, all")
def _(s):
    equal(s.text_at, 1, "place")
    expect(4 <= s.text_sectors <= 20, f"{s.text_sectors} sectors")
    front = s.data[SECTOR:s.overhead * SECTOR]
    expect(b"\0" not in front.rstrip(b"\0") and b"\r" not in front, "text, and nothing behind it")


@rule("room for the four lines that VirtualBox adds to the descriptor in place")
def _(s):
    expect(s.room > 4 * 80, f"{s.room} bytes of room")


@rule("the usual first line, version=1 next, and LF behind the last: VirtualBox, libvmdk, open-vmdk")
def _(s):
    equal(s.lines[:2] + s.lines[-1:], ["# Disk DescriptorFile", "version=1", ""], "lines")


@rule("CID of 8 digits before parentCID=ffffffff, and no hint of a parent: qemu")
def _(s):
    cid, parent = s.value("CID="), s.value("parentCID=")
    expect(re.fullmatch("[0-9a-f]{8}", cid) and cid not in ("ffffffff", "fffffffe"), cid)
    equal(parent, "ffffffff", "parentCID")
    expect(s.lines.index("CID=" + cid) < s.lines.index("parentCID=" + parent), "order")
    expect(not any("parentFileNameHint" in line for line in s.lines), "hint")


@rule("createType streamOptimized, once: all")
def _(s):
    equal(s.value("createType="), '"streamOptimized"', "createType")


@rule("one extent line, RDONLY, single blanks, a name without a folder and no offset: VirtualBox")
def _(s):
    lines = [line for line in s.lines if re.match("(RW|RDONLY|NOACCESS)", line)]
    equal(len(lines), 1, "extent lines")
    expect(re.fullmatch(r'RDONLY \d+ SPARSE "[^"/\\]+\.vmdk"', lines[0]), lines[0])


@rule("adapter, geometry and hardware version in the disk database: VMware, VirtualBox")
def _(s):
    adapter = s.value("ddb.adapterType = ").strip('"')
    expect(adapter in ("ide", "lsilogic", "buslogic"), adapter)
    for key in ("cylinders", "heads", "sectors"):
        expect(re.fullmatch(r'"\d+"', s.value(f"ddb.geometry.{key} = ")), key)
    expect(re.fullmatch(r'"\d+"', s.value("ddb.virtualHWVersion = ")), "virtualHWVersion")


@rule("nothing of the source's host: change tracking, side files, native and thin keys: ESXi")
def _(s):
    for word in ("changeTrackPath", "sidecars", "iofilters", "native", "thinProvisioned", "deletable"):
        expect(not any(word in line for line in s.lines), word)


@rule("identifiers of its own: ESXi and vCenter know disks by them")
def _(s):
    for key in ("ddb.uuid = ", "ddb.longContentID = "):
        expect(SOURCE_ID not in s.value(key), key)
    expect(s.value("ddb.longContentID = ").strip('"').endswith(s.value("CID=")), "longContentID")


@rule("grains in ascending order, each once, at multiples of 128: VirtualBox, photon-controller")
def _(s):
    lbas = [lba for _, lba, *_ in s.grains]
    equal(lbas, sorted(set(lbas)), "order")
    expect(all(lba % GRAIN == 0 and lba < s.capacity for lba in lbas), "places")


@rule("every grain whole, the last one too: VirtualBox, 7-Zip, vmdktool")
def _(s):
    for _, lba, size, record in s.grains:
        bytes_ = zlib.decompress(record[:size])
        wanted = s.raw[lba * SECTOR:lba * SECTOR + GRAIN_BYTES].ljust(GRAIN_BYTES, b"\0")
        expect(bytes_ == wanted, f"grain {lba}")


@rule("zlib streams with header and checksum, not raw deflate: all")
def _(s):
    for _, lba, size, record in s.grains:
        first = struct.unpack_from(">H", record)[0]
        expect(record[0] == 0x78 and first % 31 == 0, f"grain {lba} begins with {first:04x}")
        inflate = zlib.decompressobj()
        inflate.decompress(record[:size])
        expect(inflate.eof and not inflate.unused_data, f"grain {lba} ends early or late")


@rule("zeros up to the end of a record's last sector: open-vmdk, 7-Zip")
def _(s):
    for _, lba, size, record in s.grains:
        equal(record[size:].strip(b"\0"), b"", f"padding of grain {lba}")


@rule("a record of at most a grain and a sector, also where nothing compresses: open-vmdk")
def _(s):
    expect(all(12 + size <= GRAIN_BYTES + SECTOR for _, _, size, _ in s.grains), "sizes")


@rule("no grain of zeros, and none left out: VMware's own, all")
def _(s):
    wanted = [at // SECTOR for at in range(0, len(s.raw), GRAIN_BYTES)
              if s.raw[at:at + GRAIN_BYTES].strip(b"\0")]
    equal([lba for _, lba, *_ in s.grains], wanted, "grains")


@rule("behind the grains of each 32 MiB its marker and its table, as many as have grains: 7-Zip")
def _(s):
    regions = sorted({lba // REGION for _, lba, *_ in s.grains})
    equal([table[2] for table in s.tables], [{region} for region in regions], "grains of tables")
    for at, entries, region in s.tables:
        equal(s.sector(at - 1), struct.pack("<QII", 4, 0, 1).ljust(SECTOR, b"\0"), "marker")
        here = {lba % REGION // GRAIN: sector for sector, lba, *_ in s.grains
                if {lba // REGION} == region}
        equal(entries, tuple(here.get(i, 0) for i in range(512)), "entries")


@rule("a marker and a directory, which names tables and not markers, 0 where there is none: all")
def _(s):
    at, found = s.directory()
    sectors = -(-len(found) * 4 // SECTOR)
    tables = {min(regions): sector for sector, _, regions in s.tables}
    equal(s.sector(at - 1), struct.pack("<QII", sectors, 0, 2).ljust(SECTOR, b"\0"), "marker")
    equal(found, tuple(tables.get(i, 0) for i in range(len(found))), "directory")


@rule("gdOffset of all ones in the header, the real one in the footer: qemu, ESXi")
def _(s):
    equal(s.gd, 2**64 - 1, "header")
    equal(struct.unpack_from("<Q", s.data, len(s.data) - 1024 + 56)[0], s.directory()[0], "footer")


@rule("the footer is the header but for gdOffset: 7-Zip")
def _(s):
    footer = s.data[-1024:-512]
    equal(footer[:56] + footer[64:], s.data[:56] + s.data[64:SECTOR], "footer")


@rule("footer marker, footer and end marker are the last three sectors: qemu, 7-Zip, VirtualBox")
def _(s):
    end = len(s.data) // SECTOR
    equal(len(s.data) % SECTOR, 0, "length in sectors")
    equal([marker for marker in s.markers if marker[2] != 2], [(end - 3, 1, 3), (end - 1, 0, 0)],
          "markers")
    equal(s.sector(end - 3)[16:].strip(b"\0") + s.sector(end - 1).strip(b"\0"), b"", "zeros")


# --- streams from every sort of source ---

SOURCE_ID = "5a 5b 5c 5d"


def mixed(path):
    """Noise, text, stored zeros, a region without data between others, a cut last grain."""
    return contents.write(path, ODD, [
        (0, contents.pattern(1, 200000)), (1 << 20, bytes(131072)),
        (31 << 20, contents.pattern(2, 90000)), (ODD - SECTOR, contents.pattern(3, SECTOR))])


def piped(words, source, target, *more):
    """vdisk between two pipes."""
    with open(target, "wb") as out:
        first = subprocess.Popen(["cat", str(source)], stdout=subprocess.PIPE)
        second = subprocess.Popen([VDISK, "convert", "-O", "streamOptimized", *words, "-", "-"],
                                  stdin=first.stdout, stdout=subprocess.PIPE)
        third = subprocess.Popen(["cat"], stdin=second.stdout, stdout=out)
        equal([one.wait() for one in (first, second, third)], [0, 0, 0], "exits")


def to_stream(source, target, *words):
    vdisk("convert", "-O", "streamOptimized", *words, source, target)


def of_raw(_folder, raw, target):
    to_stream(raw, target)


def of_raw_hard(_folder, raw, target):
    to_stream(raw, target, "--level", 12, "-a", "ide")


def of_raw_in_pipe(_folder, raw, target):
    piped(["-s", str(ODD)], raw, target)


def of_raw_unsized(_folder, raw, target):
    with open(raw, "rb") as stdin:
        cat = subprocess.Popen(["cat"], stdin=stdin, stdout=subprocess.PIPE)
        vdisk("convert", "-f", "raw", "-O", "streamOptimized", "-", target, stdin=cat.stdout)
        equal(cat.wait(), 0, "cat")


def of_stream(folder, raw, target):
    to_stream(raw, folder / "first.vmdk")
    to_stream(folder / "first.vmdk", target)


def of_stream_in_pipe(folder, raw, target):
    to_stream(raw, folder / "first.vmdk")
    piped([], folder / "first.vmdk", target)


def of_qemus_stream(folder, raw, target):
    """Tables in front, a cut last grain, no end marker."""
    good("qemu-img", "convert", "-f", "raw", "-O", "vmdk", "-o", "subformat=streamOptimized", raw,
         folder / "first.vmdk")
    piped([], folder / "first.vmdk", target)


def of_tracked(folder, raw, target):
    """A disk of a host, with all that belongs there."""
    disk = folder / "first.vmdk"
    vdisk("convert", "-O", "vmfsThin", raw, disk)
    for key, value in (("uuid", f"60 00 C2 9f {SOURCE_ID}-5e 5f 60 61 62 63 64 65"),
                       ("iofilters", "vmwarelwd"), ("sidecars", "a_1.vmfd,b;"),
                       ("nativeParentCID", "12345678"), ("deletable", "true")):
        vdisk("meta", "set", disk, key, value)
    text = disk.read_text()
    disk.write_text(text.replace("version=1", "version=3", 1) + "\n# Change Tracking File\n"
                    "changeTrackPath=\"first-ctk.vmdk\"\n")
    to_stream(disk, target)


def of_child(folder, raw, target):
    base = contents.write(folder / "base.raw", ODD, [(1 << 20, b"\1" * 131072)])
    vdisk("convert", "-O", "monolithicSparse", base, folder / "base.vmdk")
    vdisk("create", "-t", "seSparse", "--parent", folder / "base.vmdk", folder / "child.vmdk")
    vdisk("write", "-i", raw, folder / "child.vmdk")
    to_stream(folder / "child.vmdk", target)


def of_nothing(_folder, raw, target):
    contents.write(raw, ODD, [])
    to_stream(raw, target)


SOURCES = {one.__name__[3:].replace("_", " "): one for one in (
    of_raw, of_raw_hard, of_raw_in_pipe, of_raw_unsized, of_stream, of_stream_in_pipe,
    of_qemus_stream, of_tracked, of_child, of_nothing)}


def read_back(_folder, stream, raw, path):
    same_bytes(qemu_raw(path, path.with_suffix(".theirs")), raw)
    good("qemu-img", "check", "-q", "-f", "vmdk", path)
    vdisk("compare", "--strict", path, raw)
    equal(info(path)["createType"], "streamOptimized", "createType")
    equal(stream.capacity * SECTOR, ODD, "capacity")


def round_trip(folder, raw):
    """Stream to stream to stream: nothing but the identifiers changes."""
    paths = [folder / f"{i}.vmdk" for i in range(3)]
    to_stream(raw, paths[0])
    piped([], paths[0], paths[1])
    piped([], paths[1], paths[2])
    files = [path.read_bytes() for path in paths]
    equal(files[1][GRAIN_BYTES:] == files[0][GRAIN_BYTES:], True, "all behind the descriptor")
    equal(files[2][GRAIN_BYTES:] == files[0][GRAIN_BYTES:], True, "all behind the descriptor")
    texts = [[re.sub(r'((CID|longContentID|uuid)\S* ?=).*|(SPARSE) ".*"', r"\1\3", line)
              for line in data[SECTOR:GRAIN_BYTES].decode().split("\n")] for data in files]
    equal(texts[1], texts[0], "descriptor")
    equal(texts[2], texts[0], "descriptor")


def each_level(folder):
    """Two encoders make the levels: qemu, which has zlib, reads all of them."""
    raw, target = mixed(folder / "source.raw"), folder / "target.vmdk"
    for level in range(1, 13):
        to_stream(raw, target, "--overwrite", "--level", level)
        same_bytes(qemu_raw(target, folder / "theirs.raw"), raw)


def main(tap):
    place = tap.folder / "streams"
    place.mkdir()
    streams = {}
    for name, make in SOURCES.items():
        folder = place / make.__name__
        folder.mkdir()
        raw, path = mixed(folder / "source.raw"), folder / "out.vmdk"
        make(folder, raw, path)
        streams[name] = Stream(path, raw)
        tap.case(f"{name}: read back", read_back, streams[name], raw, path)
    for words, body in RULES.items():
        tap.case(words, each, body, streams)
    tap.case("each level", each_level)
    tap.case("round trip", lambda folder: round_trip(folder, mixed(folder / "source.raw")))


def each(_folder, body, streams):
    for name, stream in streams.items():
        try:
            body(stream)
        except Exception as error:
            raise type(error)(f"{name}: {error}") from None


need("qemu-img")
with plan(memory()) as script:
    main(script)
