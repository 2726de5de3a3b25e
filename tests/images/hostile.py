# SPDX-License-Identifier: Apache-2.0
"""Files that must be refused: truncated, nonsensical, hostile. Each case is one disk that cannot be
converted, and the name of the file the one sentence of refusal has to contain."""

import os
import struct
import zlib
from dataclasses import dataclass, replace
from pathlib import Path

import command
import cowd
import descriptor
import hosted
import sesparse
import stream
import texts
from descriptor import extent_line
from disk import SECTOR, noise, prose


@dataclass
class Refused:
    path: Path
    culprit: str  # part of the file name that the sentence tells
    says: str = ""  # a pattern the sentence contains, where only one cause makes sense


def poke(path, offset, data):
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(data)


def poked(make, name, offset, data, says=""):
    """A good image of `make` with bytes of its file `name` overwritten."""
    def case(folder):
        link = make(folder)
        poke(folder / name, offset, data)
        return Refused(link.path, name, says)
    return case


def u32(value):
    return struct.pack("<I", value)


def u64(value):
    return struct.pack("<Q", value)


def header_case(offset, data, says=""):
    return poked(hosted.plain(hosted.Shape(), 70000), "disk.vmdk", offset, data, says)


def stream_header_case(offset, data, says=""):
    return poked(stream.case(stream.OPEN_VMDK), "disk.vmdk", offset, data, says)


def cut(make, name, length):
    """A good image cut to `length` bytes (negative: from its end)."""
    def case(folder):
        link = make(folder)
        size = (folder / name).stat().st_size
        os.truncate(folder / name, length if length >= 0 else size + length)
        return Refused(link.path, name)
    return case


def table_case(entry, value, both=True):
    """An entry of the only grain table set in both copies."""
    def case(folder):
        link = hosted.plain(hosted.Shape(), 20480)(folder)
        layout = hosted.Layout(hosted.Shape(), 20480, {})
        for tables in (layout.gts, layout.rgts)[:1 + both]:
            poke(link.path, tables[0] * SECTOR + entry * 4, u32(value))
        return Refused(link.path, "disk.vmdk")
    return case


def directory_case(value):
    def case(folder):
        link = hosted.plain(hosted.Shape(), 70000)(folder)
        layout = hosted.Layout(hosted.Shape(), 70000, {})
        for at in (layout.gd, layout.rgd):
            poke(link.path, at * SECTOR, u32(value))
        return Refused(link.path, "disk.vmdk")
    return case


def huge_directory(folder):
    """62 TiB by its header, 64 KiB by its length, and a directory said to lie inside."""
    path = folder / "disk.vmdk"
    shape = hosted.Shape(grain=1, embedded=False)
    path.write_bytes(hosted.header(shape, 62 << 31, (0, 0, 1, 2, 64)).ljust(65536, b"\0"))
    return Refused(path, "disk.vmdk")


# Streams

def first_record(link):
    return min(piece.offset for piece in link.pieces)


def record_case(offset, data, says=""):
    """Bytes of a grain record, counted from its beginning."""
    def case(folder):
        link = stream.case(stream.VMWARE)(folder)
        poke(link.path, first_record(link) + offset, data)
        return Refused(link.path, "disk.vmdk", says)
    return case


def footer_case(offset, data):
    def case(folder):
        link = stream.case(stream.VMWARE)(folder)
        poke(link.path, link.path.stat().st_size - 2 * SECTOR + offset, data)
        return Refused(link.path, "disk.vmdk")
    return case


def no_footer(folder):
    link = stream.case(replace(stream.VMWARE, footer=False))(folder)
    return Refused(link.path, "disk.vmdk")


def with_stream(packed):
    """A stream whose second grain is the given zlib data."""
    def case(folder):
        size = 128 * SECTOR
        grains = [(0, prose(0, size)), (3, (bytes(size), packed(size))), (5, prose(5, size))]
        link = stream.write(folder / "disk.vmdk", 128 * 8, grains)
        return Refused(link.path, "disk.vmdk")
    return case


def bomb(size):
    """One grain that inflates to 64 MiB."""
    return zlib.compress(bytes(64 << 20), 9)


def bomb_everywhere(folder):
    """Every entry of a 2 TiB disk leads to one record that inflates to a thousand grains."""
    style = replace(stream.OPEN_VMDK, text_sectors=4)
    link = stream.write(folder / "disk.vmdk", 65536 * 64, [(0, (bytes(65536), bomb(0)))], style)
    record = first_record(link) // SECTOR
    for table in range(64):
        poke(link.path, (6 + 4 * table) * SECTOR, u32(record) * 512)
    return Refused(link.path, "disk.vmdk")


def wrong_adler(size):
    packed = zlib.compress(prose(3, size))
    return packed[:-4] + u32(0)


# COWD and SESparse

def cowd_case(offset, data, says=""):
    return poked(cowd.base(9000), "disk-delta.vmdk", offset, data, says)


def cowd_directory(folder):
    link = cowd.base(9000)(folder)
    poke(folder / "disk-delta.vmdk", cowd.GD_SECTOR * SECTOR, u32(0x7fffffff))
    return Refused(link.path, "disk-delta.vmdk")


def cowd_entry(folder):
    link = cowd.base(4096)(folder)
    poke(folder / "disk-delta.vmdk", 5 * SECTOR + 100 * 4, u32(0x7fffffff))
    return Refused(link.path, "disk-delta.vmdk")


def sesparse_case(offset, data, says=""):
    return poked(sesparse.base(204800), "disk-sesparse.vmdk", offset, data, says)


def sesparse_directory(value):
    return sesparse_case(2 * sesparse.AREA * SECTOR, u64(value))


def sesparse_entry(value):
    return sesparse_case(3 * sesparse.AREA * SECTOR + 8 * 100, u64(value))


# Descriptors

def text_case(change, culprit="disk.vmdk", says=""):
    def case(folder):
        link, words = texts.one_flat(folder)
        changed = change(words)
        link.path.write_bytes(changed if isinstance(changed, bytes) else changed.encode())
        return Refused(link.path, culprit, says)
    return case


def line_case(line, culprit="disk.vmdk", says=""):
    return text_case(lambda words: words.replace('RW 4099 FLAT "disk-flat.vmdk" 0', line), culprit,
                     says)


def lines_of(count, line):
    return "\n".join(line.format(index=index) for index in range(count))


def sparse_bomb(folder):
    """20,000 extents that are all the same sparse file of 4 TiB with 64 KiB of bytes."""
    part = folder / "part.vmdk"
    shape = hosted.Shape(embedded=False)
    part.write_bytes(hosted.header(shape, 1 << 33, (0, 0, 1, 2, 128)).ljust(65536, b"\xff"))
    lines = [extent_line(1 << 33, "SPARSE", "part.vmdk")] * 20000
    path = folder / "disk.vmdk"
    path.write_text(descriptor.text("twoGbMaxExtentSparse", lines, 0x1))
    return Refused(path, "part.vmdk")


# Paths

def path_case(name, culprit, prepare, says=""):
    """An extent name that leads away; `prepare` makes what it leads to."""
    def case(folder):
        inner = folder / "vm"
        inner.mkdir()
        prepare(folder, inner)
        line = extent_line(8, "FLAT", name.format(folder=folder), 0)
        path = inner / "disk.vmdk"
        path.write_text(descriptor.text("monolithicFlat", [line], 0x1))
        return Refused(path, culprit, says)
    return case


def secret(folder, inner):
    (folder / "secret.bin").write_bytes(noise(1, 4096))


def secret_and_folder(folder, inner):
    secret(folder, inner)
    (inner / "sub").mkdir()


def link_to(target, name="link.bin"):
    def prepare(folder, inner):
        secret(folder, inner)
        (inner / name).symlink_to(target)
    return prepare


def fifo(folder, inner):
    os.mkfifo(inner / "pipe.bin")


def directory(folder, inner):
    (inner / "folder.bin").mkdir()


def loop_of_links(folder, inner):
    (inner / "a.bin").symlink_to("b.bin")
    (inner / "b.bin").symlink_to("a.bin")


def outside_parent(hint):
    """A child whose parent lies outside its folder."""
    def case(folder):
        inner = folder / "vm"
        inner.mkdir()
        parent = hosted.write_disk(folder / "base.vmdk", 4096, {0: noise(1, 65536)}, cid=0xa)
        link = hosted.write_disk(inner / "disk.vmdk", 4096, {}, cid=0xb, parent=parent,
                                 hint=hint.format(folder=folder))
        return Refused(link.path, "base.vmdk")
    return case


# Chains

def child_of(folder, name, parent_name, cid=0xb, parent_cid=0xa, capacity=4096):
    """One link that names a parent by hand."""
    path = folder / name
    line = extent_line(capacity, "SPARSE", name)
    words = descriptor.text("monolithicSparse", [line], cid, (parent_cid, parent_name))
    hosted.write_extent(path, capacity, {}, hosted.Shape(), words)
    return path


def cid_mismatch(folder):
    hosted.write_disk(folder / "base.vmdk", 4096, {}, cid=0xbad)
    return Refused(child_of(folder, "disk.vmdk", "base.vmdk"), "base.vmdk", "0*bad")


def missing_parent(folder):
    return Refused(child_of(folder, "disk.vmdk", "gone.vmdk"), "gone.vmdk")


def no_hint(folder):
    link, words = texts.one_flat(folder)
    line = extent_line(4099, "SPARSE", "disk-s001.vmdk")
    words = words.replace("parentCID=ffffffff", "parentCID=00000001")
    words = words.replace('RW 4099 FLAT "disk-flat.vmdk" 0', line)
    hosted.write_extent(folder / "disk-s001.vmdk", 4099, {}, hosted.Shape(embedded=False))
    link.path.write_text(words)
    return Refused(link.path, "disk.vmdk")


def own_parent(folder):
    return Refused(child_of(folder, "disk.vmdk", "disk.vmdk", 0xa, 0xa), "disk.vmdk")


def two_parents(folder):
    child_of(folder, "other.vmdk", "disk.vmdk", 0xa, 0xa)
    return Refused(child_of(folder, "disk.vmdk", "other.vmdk", 0xa, 0xa), "vmdk")


def endless(folder, count=400):
    """A chain longer than anybody's limit."""
    for number in range(count):
        child_of(folder, f"a-{number:06d}.vmdk", f"a-{number + 1:06d}.vmdk", 0xa, 0xa, 128)
    return Refused(folder / "a-000000.vmdk", "a-000")


def missing_extent(folder):
    link, words = texts.one_flat(folder)
    link.path.write_text(words)
    (folder / "disk-flat.vmdk").unlink()
    return Refused(link.path, "disk-flat.vmdk")


def data_extent(make, name):
    """Somebody opens the data file instead of the descriptor."""
    def case(folder):
        make(folder)
        return Refused(folder / name, name)
    return case


HEADERS = {
    "magic-kdmv": header_case(0, b"kdmv"),
    "version-0": header_case(4, u32(0), "version"),
    "version-4": header_case(4, u32(4), "version"),
    "incompatible-flag": header_case(8, u32(3 | 0x40000), "flag"),
    "markers-alone": header_case(8, u32(3 | 0x20000)),
    "capacity-2-63": header_case(12, u64(1 << 63)),
    "capacity-max": header_case(12, u64((1 << 64) - 1)),
    "capacity-2-54": header_case(12, u64(1 << 54)),
    "grain-0": header_case(20, u64(0), "grain"),
    "grain-3": header_case(20, u64(3), "grain"),
    "grain-2-63": header_case(20, u64(1 << 63), "grain"),
    "grain-max": header_case(20, u64((1 << 64) - 1), "grain"),
    "descriptor-outside": header_case(28, u64(1 << 40)),
    "descriptor-overflow": header_case(28, u64((1 << 64) - 1)),
    "descriptor-huge": header_case(36, u64(1 << 60)),
    "entries-0": header_case(44, u32(0)),
    "entries-3": header_case(44, u32(3)),
    "entries-2-31": header_case(44, u32(1 << 31)),
    "both-directories-outside": header_case(48, u64(1 << 40) + u64(1 << 41)),
    "both-directories-overflow": header_case(48, u64(1 << 62) + u64((1 << 64) - 2)),
    "text-mode": header_case(73, b"\r\n \r"),
    "compression-2": stream_header_case(77, b"\2\0", "compress"),
    "huge-directory": huge_directory,
    "directory-entry-outside": directory_case(0x7fffffff),
    "table-entry-outside": table_case(0, 0x7fffffff),
    "table-entry-high": table_case(0, 0xffffffff),
    "table-entry-in-header": table_case(0, 2),
    "cut-in-header": cut(hosted.plain(hosted.Shape(), 70000), "disk.vmdk", 100),
    "cut-in-descriptor": cut(hosted.plain(hosted.Shape(), 70000), "disk.vmdk", 600),
    "cut-in-directory": cut(hosted.plain(hosted.Shape(), 70000), "disk.vmdk", 21 * 512),
    "cut-in-tables": cut(hosted.plain(hosted.Shape(), 70000), "disk.vmdk", 25 * 512 + 7),
    "cut-in-grain": cut(hosted.plain(hosted.Shape(), 128 * 547), "disk.vmdk", -300),
}
STREAMS = {
    "stream-cut-header": cut(stream.case(stream.VMWARE), "disk.vmdk", 77),
    "stream-cut-grain": cut(stream.case(stream.VMWARE), "disk.vmdk", 80000),
    "stream-cut-footer": cut(stream.case(stream.VMWARE), "disk.vmdk", -1024),
    "stream-cut-front": cut(stream.case(stream.OPEN_VMDK), "disk.vmdk", 60000),
    "stream-no-footer": no_footer,
    "stream-footer-capacity": footer_case(12, u64(77)),
    "stream-footer-directory": footer_case(56, u64(1 << 40)),
    "stream-footer-again": footer_case(56, u64((1 << 64) - 1)),
    "record-lba": record_case(0, u64(128 * 7)),
    "record-size-0": record_case(8, u32(0)),
    "record-size-max": record_case(8, u32(0xffffffff)),
    "record-size-past-end": record_case(8, u32(180000)),
    "record-not-zlib": record_case(12, b"\xff\xff\xff\xff"),
    "record-short": with_stream(lambda size: zlib.compress(prose(1, size - 512))),
    "record-long": with_stream(lambda size: zlib.compress(prose(1, size + 1))),
    "record-adler": with_stream(wrong_adler),
    "record-cut-zlib": with_stream(lambda size: zlib.compress(noise(1, size))[:-2000]),
    "record-bomb": with_stream(bomb),
    "bomb-everywhere": bomb_everywhere,
}
ESX = {
    "cowd-version": cowd_case(4, u32(9)),
    "cowd-capacity-0": cowd_case(12, u32(0)),
    "cowd-grain-0": cowd_case(16, u32(0)),
    "cowd-grain-3": cowd_case(16, u32(3)),
    "cowd-grain-2-31": cowd_case(16, u32(1 << 31)),
    "cowd-directory-outside": cowd_case(20, u32(0xffffffff)),
    "cowd-directory-count": cowd_case(24, u32(0xffffffff)),
    "cowd-capacity-max": cowd_case(12, u32(0xffffffff)),
    "cowd-directory-entry": cowd_directory,
    "cowd-table-entry": cowd_entry,
    "cowd-cut-header": cut(cowd.base(9000), "disk-delta.vmdk", 1000),
    "cowd-cut-directory": cut(cowd.base(9000), "disk-delta.vmdk", 2048),
    "cowd-cut-grain": cut(cowd.base(9000), "disk-delta.vmdk", -6000),
    "cowd-alone": data_extent(cowd.base(9000), "disk-delta.vmdk"),
    "sesparse-version": sesparse_case(8, u64(0x300000001)),
    "sesparse-capacity-max": sesparse_case(16, u64((1 << 64) - 1)),
    "sesparse-capacity-other": sesparse_case(16, u64(1024)),
    "sesparse-grain-0": sesparse_case(24, u64(0)),
    "sesparse-grain-max": sesparse_case(24, u64((1 << 64) - 1)),
    "sesparse-table-0": sesparse_case(32, u64(0)),
    "sesparse-directory-outside": sesparse_case(128, u64(1 << 50)),
    "sesparse-tables-overflow": sesparse_case(144, u64((1 << 64) - 1)),
    "sesparse-grains-overflow": sesparse_case(192, u64((1 << 64) - 8)),
    "sesparse-journal": sesparse_case(SECTOR + 24, u64(1), "journal"),
    "sesparse-directory-nibble": sesparse_directory(2 << 60),
    "sesparse-directory-index": sesparse_directory(1 << 60 | 0x7fffffff),
    "sesparse-directory-bits": sesparse_directory(1 << 60 | 1 << 40),
    "sesparse-nibble-4": sesparse_entry(4 << 60 | 1),
    "sesparse-nibble-15": sesparse_entry((1 << 64) - 1),
    "sesparse-slot-outside": sesparse_entry(3 << 60 | (1 << 40)),
    "sesparse-cut-header": cut(sesparse.base(204800), "disk-sesparse.vmdk", 700),
    "sesparse-cut-grain": cut(sesparse.base(204800), "disk-sesparse.vmdk", -5000),
    "sesparse-alone": data_extent(sesparse.base(204800), "disk-sesparse.vmdk"),
    "split-part-alone": data_extent(hosted.split, "disk-s001.vmdk"),
}
OUTSIDE = "outside|leaves|folder"
TEXTS = {
    "no-version": text_case(lambda words: words.replace("version=1\n", "")),
    "version-9": text_case(lambda words: words.replace("version=1", "version=9"), says="version"),
    "no-extent": line_case("# nothing", says="extent"),
    "cut-line": line_case("RW 4099"),
    "no-name": line_case("RW 4099 FLAT"),
    "open-quote": line_case('RW 4099 FLAT "disk-flat.vmdk'),
    "unknown-type": line_case('RW 4099 MAGIC "disk-flat.vmdk" 0', says="MAGIC"),
    "device-map": line_case('RW 4099 VMFSRDM "disk-flat.vmdk"', says="VMFSRDM"),
    "vsan": line_case('RW 4099 VSANSPARSE "vsan://4c549ecd"', says="VSANSPARSE"),
    "sectors-2-64": line_case('RW 18446744073709551616 FLAT "disk-flat.vmdk" 0'),
    "sectors-2-63": line_case('RW 9223372036854775808 FLAT "disk-flat.vmdk" 0'),
    "sectors-negative": line_case('RW -4099 FLAT "disk-flat.vmdk" 0'),
    "offset-max": line_case('RW 4099 FLAT "disk-flat.vmdk" 18446744073709551615'),
    "sum-overflow": line_case(lines_of(600, f"RW {1 << 55} ZERO")),
    "short-flat": line_case('RW 5000 FLAT "disk-flat.vmdk" 0', "disk-flat.vmdk"),
    "offset-in-sparse": line_case('RW 4099 SPARSE "disk-flat.vmdk" 7'),
    "encrypted": text_case(lambda words: words.replace(
        "createType", 'encryptionKeys="vmware:key/list/(pair/(null))"\ncreateType'),
        says="encrypt"),
    "bomb-of-names": line_case(lines_of(60000, 'RW 1 FLAT "x{index}" 0')),
    "bomb-of-text": text_case(lambda words: words + "# padding\n" * (1 << 20)),
    "bomb-of-one-line": text_case(lambda words: words + 'ddb.x = "' + "y" * (9 << 20) + '"\n'),
    "nul-first": text_case(lambda words: words.encode().replace(b"version=1\n", b"\0version=1\n")),
    "unknown-encoding": text_case(lambda words: words.replace("UTF-8", "EBCDIC-XYZ").replace(
        "disk-flat", "d\xefsk-flat").encode("latin-1")),
    "not-utf-8": text_case(lambda words: words.replace("disk-flat", "d\xefsk-flat").encode(
        "latin-1")),
    "missing-extent": missing_extent,
    "sparse-bomb": sparse_bomb,
    "change-tracking": text_case(lambda words: b"\xa2\x72\x19\xf6\1\0\0\0".ljust(1536, b"\0"),
                                 says="[Cc]hange|CTK|track"),
}
PATHS = {
    "path-above": path_case("../secret.bin", "secret.bin", secret, OUTSIDE),
    "path-above-hidden": path_case("sub/../../secret.bin", "secret.bin", secret_and_folder),
    "path-backslash": path_case("..\\secret.bin", "secret.bin", secret),
    "path-absolute": path_case("{folder}/secret.bin", "secret.bin", secret, OUTSIDE),
    "path-device": path_case("/dev/zero", "/dev/zero", secret),
    "path-link-out": path_case("link.bin", "link.bin", link_to("../secret.bin")),
    "path-link-device": path_case("link.bin", "link.bin", link_to("/dev/zero")),
    "path-link-folder": path_case("sub/secret.bin", "secret.bin", link_to("..", "sub")),
    "path-fifo": path_case("pipe.bin", "pipe.bin", fifo),
    "path-folder": path_case("folder.bin", "folder.bin", directory),
    "path-link-loop": path_case("a.bin", "a.bin", loop_of_links),
    "path-long": path_case("x" * 5000, "xxxx", secret),
    "path-empty": path_case("", "disk.vmdk", secret),
    "parent-above": outside_parent("../base.vmdk"),
    "parent-absolute": outside_parent("{folder}/base.vmdk"),
}
CHAINS = {
    "cid-mismatch": cid_mismatch,
    "missing-parent": missing_parent,
    "no-hint": no_hint,
    "own-parent": own_parent,
    "two-parents": two_parents,
    "endless-chain": endless,
}
CASES = HEADERS | STREAMS | ESX | TEXTS | PATHS | CHAINS

if __name__ == "__main__":
    command.main(CASES, __doc__)
