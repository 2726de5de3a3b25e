# SPDX-License-Identifier: Apache-2.0
"""Text descriptors in VMware's template, and its deviations."""

from disk import SECTOR, round_up

NO_PARENT = 0xffffffff
DDB = {
    "adapterType": "lsilogic",
    "geometry.cylinders": "1",
    "geometry.heads": "64",
    "geometry.sectors": "32",
    "uuid": "60 00 C2 92 7b f4 0d ee-e9 08 12 5d bc 4f ab 26",
    "virtualHWVersion": "13",
}


def header_lines(create_type, cid, parent=None, version=1, encoding="UTF-8"):
    """`parent`: (CID, hint) of a child."""
    lines = ["# Disk DescriptorFile", f"version={version}"]
    if encoding:
        lines.append(f'encoding="{encoding}"')
    parent_cid, hint = parent or (NO_PARENT, None)
    lines += [f"CID={cid:08x}", f"parentCID={parent_cid:08x}", 'isNativeSnapshot="no"',
              f'createType="{create_type}"']
    if hint:
        lines.append(f'parentFileNameHint="{hint}"')
    return lines


def extent_line(sectors, kind, name=None, offset=None, access="RW"):
    line = f"{access} {sectors} {kind}"
    if name is not None:
        line += f' "{name}"'
    return line if offset is None else f"{line} {offset}"


def ddb_lines(ddb=None):
    values = DDB if ddb is None else ddb
    return ["# The Disk Data Base ", "#DDB", ""] + [f'ddb.{key} = "{value}"' for key, value in
                                                    values.items()]


def text(create_type, extents, cid, parent=None, **changes):
    """A whole descriptor; `extents` are extent lines."""
    ddb = changes.pop("ddb", None)
    lines = header_lines(create_type, cid, parent, **changes)
    lines += ["", "# Extent description", *extents, "", *ddb_lines(ddb), ""]
    return "\n".join(lines)


def padded(words, sectors=20):
    """As it stands inside a sparse file."""
    data = words.encode()
    assert len(data) <= sectors * SECTOR
    return data.ljust(round_up(max(len(data), 1), sectors * SECTOR), b"\0")
