#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""backup.py DISK RAW: copies what a virtual disk holds into a sparse raw file.

Nothing is needed but Python and libvdisk.so.1; LIBVDISK names it where the loader does not find it.
"""
import ctypes
import os
import sys
from ctypes import POINTER, c_char_p, c_int, c_int32, c_size_t, c_uint32, c_uint64, c_void_p

READ_ONLY = 4
PIECE_BYTES = 4 << 20


class Error(ctypes.Structure):
    _fields_ = [("code", c_uint32), ("errno", c_int32), ("text", ctypes.c_char * 1024)]


class Params(ctypes.Structure):
    """The first members; the library takes the size as the sign that the others are not given."""
    _fields_ = [("size", c_size_t), ("path", c_char_p), ("flags", c_uint32),
                ("reserved", c_uint32)]


BLOCK = ctypes.CFUNCTYPE(c_int, c_void_p, c_uint64, c_uint64)

vdisk = ctypes.CDLL(os.environ.get("LIBVDISK", "libvdisk.so.1"))
vdisk.vdisk_open.argtypes = [POINTER(Params), POINTER(c_void_p), POINTER(Error)]
vdisk.vdisk_close.argtypes = [c_void_p, POINTER(Error)]
vdisk.vdisk_size.argtypes = [c_void_p]
vdisk.vdisk_size.restype = c_uint64
vdisk.vdisk_read_at.argtypes = [c_void_p, c_void_p, c_size_t, c_uint64, POINTER(Error)]
vdisk.vdisk_read_at.restype = ctypes.c_ssize_t
vdisk.vdisk_blocks.argtypes = [c_void_p, c_uint64, c_uint64, BLOCK, c_void_p, POINTER(Error)]


def call(function, *arguments):
    """The result, or the library's own sentence."""
    error = Error()
    result = function(*arguments, ctypes.byref(error))
    if result < 0:
        sys.exit(f"backup.py: {error.text.decode()}")
    return result


def blocks(disk):
    found = []

    @BLOCK
    def tell(_data, offset, length):
        found.append((offset, length))
        return 0

    call(vdisk.vdisk_blocks, disk, 0, vdisk.vdisk_size(disk), tell, None)
    return found


def backup(disk, raw):
    raw.truncate(vdisk.vdisk_size(disk))
    piece = ctypes.create_string_buffer(PIECE_BYTES)
    for offset, length in blocks(disk):
        raw.seek(offset)
        for at in range(offset, offset + length, PIECE_BYTES):
            wanted = min(PIECE_BYTES, offset + length - at)
            got = call(vdisk.vdisk_read_at, disk, piece, wanted, at)
            raw.write(memoryview(piece)[:got])


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: backup.py DISK RAW")
    params = Params(ctypes.sizeof(Params), os.fsencode(sys.argv[1]), READ_ONLY, 0)
    disk = c_void_p()
    call(vdisk.vdisk_open, ctypes.byref(params), ctypes.byref(disk))
    with open(sys.argv[2], "wb") as raw:
        backup(disk, raw)
    call(vdisk.vdisk_close, disk)


main()
