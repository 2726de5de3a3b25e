#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Drives the library through ctypes, as scripts do: test-ctypes.py LIBRARY.

Structures are those of an old generation: 80 bytes of connect params, 24 of create params, 56 of
info. Nothing of the project is used but the library."""

import ctypes
import hashlib
import os
import sys
from ctypes import POINTER, byref, c_char, c_char_p, c_int, c_size_t, c_uint32, c_uint64, c_void_p

VIX_ASYNC = 25000
OUT_OF_RANGE = 16007
TOO_SMALL = 24
READ_ONLY = 4

passed = 0
failed = 0


def is_(got, want, name):
    global passed, failed
    good = got == want
    passed += good
    failed += not good
    print(f"{'' if good else 'not '}ok {passed + failed} - {name}")
    if not good:
        print(f"# got {got!r}, want {want!r}")


class Params(ctypes.Structure):
    _fields_ = [
        ("vmxSpec", c_char_p), ("serverName", c_char_p), ("thumbPrint", c_char_p),
        ("privateUse", ctypes.c_long), ("credType", c_int), ("creds", c_char_p * 3),
        ("port", c_uint32), ("nfcHostPort", c_uint32), ("vimApiVer", c_char_p),
    ]


class Geometry(ctypes.Structure):
    _fields_ = [("cylinders", c_uint32), ("heads", c_uint32), ("sectors", c_uint32)]


class Info(ctypes.Structure):
    _fields_ = [
        ("biosGeo", Geometry), ("physGeo", Geometry), ("capacity", c_uint64),
        ("adapterType", c_int), ("numLinks", c_int), ("parentFileNameHint", c_char_p),
        ("uuid", c_char_p),
    ]


class CreateParams(ctypes.Structure):
    _fields_ = [
        ("diskType", c_int), ("adapterType", c_int), ("hwVersion", ctypes.c_uint16),
        ("capacity", c_uint64),
    ]


class Block(ctypes.Structure):
    _fields_ = [("offset", c_uint64), ("length", c_uint64)]


class BlockList(ctypes.Structure):
    _fields_ = [("numBlocks", c_uint32), ("blocks", Block * 1)]


COMPLETION = ctypes.CFUNCTYPE(None, c_void_p, c_uint64)
PROGRESS = ctypes.CFUNCTYPE(c_char, c_void_p, c_int)


def load(path):
    vix = ctypes.CDLL(path)
    signatures = {
        "Init": (c_uint64, [c_uint32, c_uint32, c_void_p, c_void_p, c_void_p, c_char_p]),
        "InitEx": (c_uint64, [c_uint32, c_uint32, c_void_p, c_void_p, c_void_p, c_char_p,
                              c_char_p]),
        "Exit": (None, []),
        "ListTransportModes": (c_char_p, []),
        "Connect": (c_uint64, [c_void_p, POINTER(c_void_p)]),
        "ConnectEx": (c_uint64, [c_void_p, c_char, c_char_p, c_char_p, POINTER(c_void_p)]),
        "Disconnect": (c_uint64, [c_void_p]),
        "Open": (c_uint64, [c_void_p, c_char_p, c_uint32, POINTER(c_void_p)]),
        "Close": (c_uint64, [c_void_p]),
        "GetInfo": (c_uint64, [c_void_p, POINTER(POINTER(Info))]),
        "FreeInfo": (None, [POINTER(Info)]),
        "GetTransportMode": (c_char_p, [c_void_p]),
        "Read": (c_uint64, [c_void_p, c_uint64, c_uint64, c_void_p]),
        "ReadAsync": (c_uint64, [c_void_p, c_uint64, c_uint64, c_void_p, COMPLETION, c_void_p]),
        "Wait": (c_uint64, [c_void_p]),
        "Create": (c_uint64, [c_void_p, c_char_p, c_void_p, PROGRESS, c_void_p]),
        "CreateChild": (c_uint64, [c_void_p, c_char_p, c_int, c_void_p, c_void_p]),
        "Write": (c_uint64, [c_void_p, c_uint64, c_uint64, c_void_p]),
        "WriteAsync": (c_uint64, [c_void_p, c_uint64, c_uint64, c_void_p, COMPLETION, c_void_p]),
        "Flush": (c_uint64, [c_void_p]),
        "WriteMetadata": (c_uint64, [c_void_p, c_char_p, c_char_p]),
        "Clone": (c_uint64, [c_void_p, c_char_p, c_void_p, c_char_p, c_void_p, c_void_p, c_void_p,
                             c_char]),
        "Unlink": (c_uint64, [c_void_p, c_char_p]),
        "QueryAllocatedBlocks": (c_uint64, [c_void_p, c_uint64, c_uint64, c_uint64,
                                            POINTER(POINTER(BlockList))]),
        "FreeBlockList": (c_uint64, [POINTER(BlockList)]),
        "ReadMetadata": (c_uint64, [c_void_p, c_char_p, c_void_p, c_size_t, POINTER(c_size_t)]),
        "GetMetadataKeys": (c_uint64, [c_void_p, c_void_p, c_size_t, POINTER(c_size_t)]),
        "GetErrorText": (c_void_p, [c_uint64, c_char_p]),
        "FreeErrorText": (None, [c_void_p]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(vix, "VixDiskLib_" + name)
        function.restype = result
        function.argtypes = arguments
    return vix


def error_text(vix, code):
    pointer = vix.VixDiskLib_GetErrorText(code, None)
    text = ctypes.string_at(pointer).decode()
    vix.VixDiskLib_FreeErrorText(pointer)
    return text


def connect_old_params(vix):
    """80 bytes, empty strings, and garbage behind them."""
    memory = (ctypes.c_ubyte * 256)(*([0xEE] * 256))
    params = Params.from_buffer(memory)
    ctypes.memset(memory, 0, ctypes.sizeof(Params))
    params.vmxSpec = params.serverName = params.vimApiVer = b""
    params.credType = 1
    params.creds[0] = params.creds[1] = b""
    connection = c_void_p()
    is_(ctypes.sizeof(Params), 80, "params of 80 bytes")
    is_(vix.VixDiskLib_ConnectEx(ctypes.addressof(memory), b"\x01", b"", b"", byref(connection)), 0,
        "ConnectEx")
    ctypes.memset(memory, 0xEE, 256)
    return connection


def open_disk(vix, connection, path):
    disk = c_void_p()
    is_(vix.VixDiskLib_Open(connection, path.encode(), READ_ONLY, byref(disk)), 0,
        "Open " + os.path.basename(path))
    return disk


def capacity(vix, disk):
    info = POINTER(Info)()
    is_(vix.VixDiskLib_GetInfo(disk, byref(info)), 0, "GetInfo")
    sectors = info.contents.capacity
    vix.VixDiskLib_FreeInfo(info)
    return sectors


def read_all(vix, disk, sectors):
    content = hashlib.sha256()
    piece = 1000
    buffer = ctypes.create_string_buffer(piece * 512)
    for start in range(0, sectors, piece):
        count = min(piece, sectors - start)
        if vix.VixDiskLib_Read(disk, start, count, buffer) != 0:
            return None
        content.update(buffer.raw[: count * 512])
    return content.hexdigest()


def read_all_async(vix, disk, sectors):
    buffer = ctypes.create_string_buffer(sectors * 512)
    results = []
    callback = COMPLETION(lambda data, result: results.append((data, result)))
    piece = 777
    starts = range(0, sectors, piece)
    codes = {
        vix.VixDiskLib_ReadAsync(disk, start, min(piece, sectors - start),
                                 ctypes.addressof(buffer) + start * 512, callback, number + 1)
        for number, start in enumerate(starts)
    }
    is_(codes, {VIX_ASYNC}, "every ReadAsync is accepted")
    is_(vix.VixDiskLib_Wait(disk), 0, "Wait")
    is_(sorted(results), [(number + 1, 0) for number in range(len(starts))],
        "one callback each, with its data")
    return hashlib.sha256(buffer.raw[: sectors * 512]).hexdigest()


def metadata(vix, disk):
    """Size query, then a second call that passes no length, as the Ruby gem does."""
    def ask(call):
        length = c_size_t()
        is_(call(None, 0, byref(length)) in (0, TOO_SMALL), True, "size of metadata")
        buffer = ctypes.create_string_buffer(length.value)
        is_(call(buffer, length.value, None), 0, "metadata")
        return buffer.raw

    keys = ask(lambda *rest: vix.VixDiskLib_GetMetadataKeys(disk, *rest))
    is_(keys.endswith(b"\0\0"), True, "keys end in two NULs")
    values = {
        key: ask(lambda *rest, key=key: vix.VixDiskLib_ReadMetadata(disk, key, *rest))
        for key in keys[:-2].split(b"\0")
    }
    is_(b"adapterType" in values, True, "the adapter is among the keys")
    is_(all(value.endswith(b"\0") and b"\0" not in value[:-1] for value in values.values()), True,
        "values are strings")


def blocks(vix, disk, sectors):
    found = POINTER(BlockList)()
    end = -(-sectors // 128) * 128
    is_(vix.VixDiskLib_QueryAllocatedBlocks(disk, 0, end, 128, byref(found)), 0, "blocks")
    count = found.contents.numBlocks
    array = ctypes.cast(ctypes.addressof(found.contents) + BlockList.blocks.offset,
                        POINTER(Block * max(count, 1))).contents
    last = array[count - 1]
    is_(count > 1 and last.offset + last.length <= sectors, True, "blocks end inside the disk")
    is_(vix.VixDiskLib_FreeBlockList(found), 0, "FreeBlockList")


def whole_disk(vix, connection, folder, name):
    with open(os.path.join(folder, name + ".raw"), "rb") as raw:
        want = hashlib.sha256(raw.read()).hexdigest()
    disk = open_disk(vix, connection, os.path.join(folder, name + ".vmdk"))
    sectors = capacity(vix, disk)
    is_(vix.VixDiskLib_GetTransportMode(disk), b"file", "transport mode")
    is_(read_all(vix, disk, sectors), want, name + " reads right")
    is_(read_all_async(vix, disk, sectors), want, name + " reads right asynchronously")
    is_(vix.VixDiskLib_Read(disk, sectors, 1, ctypes.create_string_buffer(512)), OUT_OF_RANGE,
        "the end of the disk")
    metadata(vix, disk)
    blocks(vix, disk, sectors)
    is_(vix.VixDiskLib_Close(disk), 0, "Close")


def create(vix, connection, path, disk_type, sectors):
    """24 bytes, and garbage behind them."""
    memory = (ctypes.c_ubyte * 64)(*([0xEE] * 64))
    params = CreateParams.from_buffer(memory)
    params.diskType, params.adapterType, params.hwVersion = disk_type, 3, 7
    params.capacity = sectors
    told = []
    progress = PROGRESS(lambda data, percent: told.append(percent) or b"\0")
    is_(ctypes.sizeof(CreateParams), 24, "params of 24 bytes")
    is_(vix.VixDiskLib_Create(connection, path, ctypes.addressof(memory), progress, None), 0,
        "Create of type %d" % disk_type)
    is_((told == sorted(told), told[-1:]), (True, [100]), "progress rises to 100")


def open_to_write(vix, connection, path):
    disk = c_void_p()
    is_(vix.VixDiskLib_Open(connection, path, 0, byref(disk)), 0, "Open to write")
    return disk


def write_all(vix, disk, content):
    """The first half at once, the second asynchronously, then the middle once more."""
    sectors = len(content) // 512
    half = sectors // 2
    buffer = ctypes.create_string_buffer(content, len(content))
    results = []
    callback = COMPLETION(lambda data, result: results.append(result))
    is_(vix.VixDiskLib_Write(disk, 0, half, buffer), 0, "Write")
    codes = [vix.VixDiskLib_WriteAsync(disk, start, min(100, sectors - start),
                                       ctypes.addressof(buffer) + start * 512, callback, None)
             for start in range(half, sectors, 100)]
    is_(set(codes), {VIX_ASYNC}, "every WriteAsync is accepted")
    is_(vix.VixDiskLib_Wait(disk), 0, "Wait")
    is_(results, [0] * len(codes), "one callback each")
    is_(vix.VixDiskLib_Write(disk, half - 3, 7, ctypes.addressof(buffer) + (half - 3) * 512), 0,
        "Write over it")
    is_(vix.VixDiskLib_Write(disk, sectors, 1, buffer), OUT_OF_RANGE, "Write past the end")
    is_(vix.VixDiskLib_WriteMetadata(disk, b"my.key", b"a value"), 0, "WriteMetadata")
    is_(vix.VixDiskLib_Flush(disk), 0, "Flush")


def is_content(vix, connection, path, content):
    disk = open_disk(vix, connection, path.decode())
    sectors = capacity(vix, disk)
    is_(read_all(vix, disk, sectors), hashlib.sha256(content).hexdigest(), "reads as written")
    is_(vix.VixDiskLib_Write(disk, 0, 1, ctypes.create_string_buffer(512)), 11,
        "Write on a disk open for reading")
    is_(vix.VixDiskLib_Close(disk), 0, "Close")


def writes(vix, folder):
    connection = c_void_p()
    is_(vix.VixDiskLib_Connect(None, byref(connection)), 0, "Connect")
    content = bytes(7 + i // 512 % 199 for i in range(5003 * 512))
    for disk_type in (1, 2, 3, 4):
        path = os.path.join(folder, f"python-{disk_type}.vmdk").encode()
        create(vix, connection, path, disk_type, 5003)
        disk = open_to_write(vix, connection, path)
        write_all(vix, disk, content)
        child = path.replace(b"python", b"child")
        is_(vix.VixDiskLib_CreateChild(disk, child, 1, None, None), 0, "CreateChild")
        is_(vix.VixDiskLib_Close(disk), 0, "Close")
        is_content(vix, connection, path, content)
        disk = open_to_write(vix, connection, child)
        is_(vix.VixDiskLib_Write(disk, 70, 2, ctypes.create_string_buffer(b"Z" * 1024, 1024)), 0,
            "Write to the child")
        is_(vix.VixDiskLib_Close(disk), 0, "Close")
        changed = content[:70 * 512] + b"Z" * 1024 + content[72 * 512:]
        is_content(vix, connection, child, changed)
        copy = path.replace(b"python", b"copy")
        is_(vix.VixDiskLib_Clone(connection, copy, connection, child, None, None, None, b"\0"), 0,
            "Clone")
        is_content(vix, connection, copy, changed)
        for name in (child, copy, path):
            is_(vix.VixDiskLib_Unlink(connection, name), 0, "Unlink")
    is_([name for name in os.listdir(folder) if name.startswith(("python", "child-", "copy"))], [],
        "no file is left")
    is_(vix.VixDiskLib_Disconnect(connection), 0, "Disconnect")


def samples(vix, connection, folder):
    """Files of other programs, where they are: README.md gives the SHA-256 of their content."""
    try:
        with open(os.path.join(folder, "README.md"), encoding="utf-8") as readme:
            rows = [line.split("|") for line in readme if line.count("|") == 5]
    except OSError:
        return
    for row in rows:
        name, size, want = row[1].strip(), row[3].strip(), row[4].strip()
        if len(want) != 64 or not size.isdigit():
            continue
        disk = open_disk(vix, connection, os.path.join(folder, name))
        is_(capacity(vix, disk), int(size) // 512, name + " has its size")
        is_(vix.VixDiskLib_Close(disk), 0, "Close")
    disk = c_void_p(8)
    code = vix.VixDiskLib_Open(connection, os.path.join(folder, "fuzzed-header.vmdk").encode(),
                               READ_ONLY, byref(disk))
    is_((code != 0, disk.value), (True, None), "a fuzzed header is refused")


def main():
    folder = os.environ.get("VD_DISKS")
    if not folder or len(sys.argv) < 2:
        print("1..0 # SKIP run by with-disks, with the library")
        return 0
    vix = load(sys.argv[1])
    config = os.path.join(folder, "config").encode()
    accepted = next(major for major in (8, 7, 6)
                    if vix.VixDiskLib_InitEx(major, 0, None, None, None, b"", config) == 0)
    is_(accepted, 8, "InitEx of the newest version")
    is_(vix.VixDiskLib_Init(1, 0, None, None, None, None), 0, "Init once more")
    is_("file" in vix.VixDiskLib_ListTransportModes().decode().split(":"), True, "transport modes")
    is_(error_text(vix, 1), "Unknown error", "error text")

    connection = connect_old_params(vix)
    for name in ("sparse", "split", "stream", "grandchild"):
        whole_disk(vix, connection, folder, name)
    writes(vix, folder)
    if len(sys.argv) > 2:
        samples(vix, connection, sys.argv[2])
    disk = c_void_p(8)
    is_(vix.VixDiskLib_Open(connection, b"/no/such/disk.vmdk", READ_ONLY, byref(disk)), 4,
        "a missing disk")
    is_(disk.value, None, "has no handle")

    disk = open_disk(vix, connection, os.path.join(folder, "sparse.vmdk"))
    is_(vix.VixDiskLib_Disconnect(connection), 0, "Disconnect before Close")
    is_(vix.VixDiskLib_Close(disk), 0, "Close")
    is_(vix.VixDiskLib_Close(disk) != 0, True, "Close again")
    vix.VixDiskLib_Exit()
    vix.VixDiskLib_Exit()
    vix.VixDiskLib_Exit()
    print(f"1..{passed + failed}")
    return 1 if failed else 0


sys.exit(main())
