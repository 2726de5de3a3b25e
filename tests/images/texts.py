# SPDX-License-Identifier: Apache-2.0
"""Text descriptors as people and programs leave them, over flat and sparse extents: line ends, NUL
tails, byte order mark, spacing, case, mixtures of extents, names and encodings."""

import command
import descriptor
import hosted
from descriptor import extent_line
from disk import SECTOR, Disk, Link, Piece, noise, prose

ONLY_RW = "drops extents that are not RW"
SIX_TYPES = "knows six create types only"
NO_ZERO = "does not know ZERO in a text descriptor"


def flat(link, name, sectors, offset=0, seed=1, start=None, tail=0):
    """Writes (or extends) a flat file and notes it in the link at its present end."""
    path = link.path.parent / name
    data = noise(seed, sectors * SECTOR)
    with open(path, "r+b" if path.exists() else "w+b") as file:
        file.seek(offset * SECTOR)
        file.write(data)
        file.seek(0, 2)
        file.write(bytes(tail))
    at = end_of(link) if start is None else start
    link.disk.put(at, data)
    link.pieces.append(Piece(at, sectors, path, offset * SECTOR))


def end_of(link):
    return max((piece.start + piece.count for piece in link.pieces), default=0)


def zeros(link, sectors):
    link.pieces.append(Piece(end_of(link), sectors))


def one_flat(folder, capacity=4099):
    link = Link(folder / "disk.vmdk", Disk(capacity), cid=0xf1a7)
    flat(link, "disk-flat.vmdk", capacity)
    line = extent_line(capacity, "FLAT", "disk-flat.vmdk", 0)
    return link, descriptor.text("monolithicFlat", [line], link.cid)


def reworded(change, qemu=True, libvmdk=True):
    """A flat disk whose descriptor went through `change` (text -> text or bytes)."""
    def make(folder):
        link, words = one_flat(folder)
        changed = change(words)
        link.path.write_bytes(changed if isinstance(changed, bytes) else changed.encode())
        link.qemu, link.libvmdk = qemu, libvmdk
        return link
    return make


def odd_spacing(words):
    """Blanks and tabs wherever the grammar lets them be."""
    words = words.replace("createType=", "  createType \t= ").replace("encoding=", "\tencoding = ")
    words = words.replace("ddb.uuid = ", "  ddb.uuid=").replace("CID=0000f1a7", "CID = 0000f1a7")
    return words.replace("RW 4099 FLAT ", " RW \t 4099   FLAT  ") + "\n   \n\t\n"


def odd_case(words):
    for word in ("encoding", "CID=", "createType", "RW ", "FLAT ", "ddb.adapterType", "lsilogic"):
        words = words.replace(word, word.swapcase())
    return words.replace("monolithicFlat", "MonolithicFLAT")


def no_comments(words):
    return "\n".join(line for line in words.splitlines() if not line.startswith("#"))


def extents_last(words):
    line = 'RW 4099 FLAT "disk-flat.vmdk" 0\n'
    return words.replace(line, "") + line


def unknown_keys(words):
    words = words.replace("createType=", 'someNewKey="a = b # c"\ncreateType=')
    return words.replace("# The Disk", '# Change Tracking File\nchangeTrackPath="disk-ctk.vmdk"\n'
                         "# The Disk") + 'ddb.iofilters = "a,b"\n'


def renamed(name, encoding="UTF-8", codec="utf-8", libvmdk=True):
    """The data file's name in the descriptor's encoding; on disk it is always UTF-8."""
    def make(folder):
        link, words = one_flat(folder)
        (folder / "disk-flat.vmdk").rename(folder / name)
        link.pieces[0].file = folder / name
        words = words.replace("disk-flat.vmdk", name).replace('"UTF-8"', f'"{encoding}"')
        link.path.write_bytes(words.encode(codec))
        link.qemu = codec == "utf-8" or "takes names as bytes"
        link.libvmdk = libvmdk
        return link
    return make


def custom(folder):
    """Flat ranges of two files out of order, a sparse part, zeros between."""
    link = Link(folder / "disk.vmdk", Disk(1000 + 64 + 4096 + 500 + 129 + 7), cid=0xc057)
    flat(link, "a.bin", 1000, offset=333, seed=2)
    zeros(link, 64)
    part, base = folder / "part.vmdk", end_of(link)
    shape = hosted.Shape(embedded=False, grain=8)
    grains = hosted.sample_grains(shape, 4096, 77)
    layout = hosted.write_extent(part, 4096, grains, shape)
    inner = Link(part, Disk(4096))
    hosted.note_grains(inner, part, shape, layout, grains)
    for start, data in inner.disk.runs():
        link.disk.put(base + start, data)
    link.pieces += [Piece(base + piece.start, piece.count, piece.file, piece.offset)
                    for piece in inner.pieces]
    flat(link, "b.bin", 500, offset=11, seed=3, start=base + 4096)
    flat(link, "a.bin", 129, offset=0, seed=4)
    flat(link, "b.bin", 7, offset=0, seed=5)
    lines = [extent_line(1000, "FLAT", "a.bin", 333), extent_line(64, "ZERO"),
             extent_line(4096, "SPARSE", "part.vmdk"), extent_line(500, "FLAT", "b.bin", 11),
             extent_line(129, "FLAT", "a.bin", 0), extent_line(7, "FLAT", "b.bin", 0)]
    link.path.write_text(descriptor.text("custom", lines, link.cid))
    link.qemu, link.libvmdk = SIX_TYPES, "does not mix extents"
    return link


def rdonly_middle(folder):
    link = Link(folder / "disk.vmdk", Disk(300), cid=0x0d0d)
    for index, (access, sectors) in enumerate((("RW", 100), ("RDONLY", 77), ("RW", 123)), 1):
        flat(link, f"disk-f{index:03d}.vmdk", sectors, seed=index)
    lines = [extent_line(100, "FLAT", "disk-f001.vmdk", 0),
             extent_line(77, "FLAT", "disk-f002.vmdk", 0, access="RDONLY"),
             extent_line(123, "FLAT", "disk-f003.vmdk", 0)]
    link.path.write_text(descriptor.text("twoGbMaxExtentFlat", lines, link.cid))
    link.qemu = ONLY_RW
    return link


def zero_ends(folder):
    """ZERO first and last, one with NOACCESS and VirtualBox's trailing blank."""
    link = Link(folder / "disk.vmdk", Disk(50 + 200 + 31), cid=0x0e0e)
    zeros(link, 50)
    flat(link, "disk-pt.vmdk", 200)
    zeros(link, 31)
    lines = [extent_line(50, "ZERO"), extent_line(200, "FLAT", "disk-pt.vmdk", 0),
             extent_line(31, "ZERO", access="NOACCESS") + " "]
    link.path.write_text(descriptor.text("partitionedDevice", lines, link.cid))
    link.qemu, link.libvmdk = SIX_TYPES, NO_ZERO
    return link


def only_zero(folder):
    """62 TiB of nothing."""
    link = Link(folder / "disk.vmdk", Disk(62 << 31), cid=0x0fff)
    zeros(link, 62 << 31)
    link.path.write_text(descriptor.text("custom", [extent_line(62 << 31, "ZERO")], link.cid))
    link.qemu, link.libvmdk = SIX_TYPES, NO_ZERO
    return link


def tail_words(folder):
    """What Workstation appends for physical disks, and an extent of no length."""
    link, words = one_flat(folder)
    words = words.replace('-flat.vmdk" 0', '-flat.vmdk" 0 partitionUUID 1234-abcd')
    words = words.replace("\nRW 4099", "\nNOACCESS 0 ZERO\nRW 4099")
    link.path.write_text(words)
    link.libvmdk = NO_ZERO
    return link


def many_extents(folder, count=5000):
    """5,000 extents of two sectors in one file."""
    link = Link(folder / "disk.vmdk", Disk(2 * count), cid=0x5000)
    data = prose(5000, 2 * count * SECTOR)
    file = folder / "all.bin"
    file.write_bytes(data)
    lines = []
    for index in range(count):
        place = (index * 7) % count * 2
        link.disk.put(index * 2, data[place * SECTOR:(place + 2) * SECTOR])
        link.pieces.append(Piece(index * 2, 2, file, place * SECTOR))
        lines.append(extent_line(2, "FLAT", file.name, place))
    link.path.write_text(descriptor.text("twoGbMaxExtentFlat", lines, link.cid))
    link.qemu, link.libvmdk = "takes minutes", "has no offsets in flat files"
    return link


def many_files(folder, count=600):
    """600 flat files of one sector each."""
    link = Link(folder / "disk.vmdk", Disk(count), cid=0x600)
    for index in range(1, count + 1):
        flat(link, f"disk-f{index:03d}.vmdk", 1, seed=index, start=index - 1)
    lines = [extent_line(1, "FLAT", f"disk-f{index:03d}.vmdk", 0) for index in range(1, count + 1)]
    link.path.write_text(descriptor.text("twoGbMaxExtentFlat", lines, link.cid))
    return link


def longer_file(folder):
    """The flat file goes on behind its extent."""
    link = Link(folder / "disk.vmdk", Disk(1000), cid=0x1009)
    flat(link, "disk-flat.vmdk", 1000, tail=3000)
    line = extent_line(1000, "VMFS", "disk-flat.vmdk")
    link.path.write_text(descriptor.text("vmfs", [line], link.cid))
    return link


def thin(folder):
    """VMFS thin: a flat file with holes."""
    link = Link(folder / "disk.vmdk", Disk(1 << 20), cid=0x7415)
    path = folder / "disk-flat.vmdk"
    data = noise(8, 64 * SECTOR)
    with open(path, "wb") as file:
        for sector in (0, 4096, 500000):
            file.seek(sector * SECTOR)
            file.write(data)
            link.disk.put(sector, data)
        file.truncate((1 << 20) * SECTOR)
    link.pieces.append(Piece(0, 1 << 20, path))
    line = extent_line(1 << 20, "VMFS", path.name)
    link.path.write_text(descriptor.text("vmfs", [line], link.cid,
                                         ddb=dict(descriptor.DDB, thinProvisioned="1")))
    return link


def moved(folder):
    """An absolute name of the host it came from; the file lies beside the descriptor."""
    link, words = one_flat(folder)
    place = "/vmfs/volumes/4c549ecd-66066010-e610-002354a2261b/vm/disk-flat.vmdk"
    link.path.write_text(words.replace("disk-flat.vmdk", place))
    link.qemu = "takes absolute names as they are"
    return link


def subfolder(folder):
    """A backslash from a Windows host, and another case."""
    link, words = one_flat(folder)
    (folder / "parts").mkdir()
    (folder / "disk-flat.vmdk").rename(folder / "parts" / "Disk-Flat.vmdk")
    link.pieces[0].file = folder / "parts" / "Disk-Flat.vmdk"
    link.path.write_text(words.replace("disk-flat.vmdk", "parts\\disk-flat.vmdk"))
    link.qemu = link.libvmdk = "has no Windows names"
    return link


CASES = {
    "plain": reworded(lambda words: words),
    "crlf": reworded(lambda words: words.replace("\n", "\r\n")),
    "no-last-newline": reworded(lambda words: words.rstrip("\n")),
    "nul-tail": reworded(lambda words: words.encode() + bytes(1024)),
    "nul-then-garbage": reworded(lambda words: words.encode() + b"\0\nRW 5 FLAT \"x\" 0\n"),
    "byte-order-mark": reworded(lambda words: b"\xef\xbb\xbf" + words.encode(),
                                "looks for '#' first", "looks for '#' first"),
    "odd-spacing": reworded(odd_spacing, "wants single forms", "wants single forms"),
    "odd-case": reworded(odd_case, *["compares with case"] * 2),
    "unknown-keys": reworded(unknown_keys),
    "trailing-blanks": reworded(lambda words: words.replace("\n", " \n"), "wants version=1 alone"),
    "no-comments": reworded(no_comments, *["looks for comments"] * 2),
    "version-3": reworded(lambda words: words.replace("version=1", "version=3")),
    "no-encoding": reworded(lambda words: words.replace('encoding="UTF-8"\n', "")),
    "short-cid": reworded(lambda words: words.replace("CID=0000f1a7", "CID=f1a7", 1)),
    "long-text": reworded(lambda words: words + "# " + "x" * 30000 + "\n"),
    "extents-last": reworded(extents_last, True, "wants the usual order"),
    "spaces-in-name": renamed("my disk  (copy 2)-flat.vmdk"),
    "utf-8-name": renamed("Größe-ディスク-flat.vmdk"),
    "windows-1252": renamed("Größe-flat.vmdk", "windows-1252", "cp1252"),
    "shift-jis": renamed("ディスク-flat.vmdk", "Shift_JIS", "shift_jis",
                         "does not know this encoding"),
    "gbk": renamed("磁盘-flat.vmdk", "GBK", "gbk"),
    "custom": custom,
    "rdonly-middle": rdonly_middle,
    "zero-ends": zero_ends,
    "only-zero": only_zero,
    "tail-words": tail_words,
    "many-extents": many_extents,
    "many-files": many_files,
    "longer-file": longer_file,
    "thin": thin,
    "moved": moved,
    "subfolder": subfolder,
}

if __name__ == "__main__":
    command.main(CASES, __doc__)
