# SPDX-License-Identifier: Apache-2.0
"""libvmdk-read.py DISK RAW: writes DISK's content to RAW through libvmdk's Python binding. libvmdk
opens a monolithic disk by the name that stands inside it, so a link of that name is made where
there is none. Run by the Python that has the binding."""

import os
import sys

import pyvmdk

CHUNK = 1 << 20


def opened(path):
    handle = pyvmdk.handle()
    handle.open(path)
    folder = os.path.dirname(path)
    if handle.number_of_extents == 1:
        name = handle.get_extent_descriptor(0).filename
        if name and "/" not in name and not os.path.exists(os.path.join(folder, name)):
            os.symlink(os.path.basename(path), os.path.join(folder, name))
    handle.open_extent_data_files()
    if handle.parent_content_identifier != 0xffffffff:
        parent = opened(os.path.join(folder, os.path.basename(handle.parent_filename)))
        handle.set_parent(parent)
        keep.append(parent)
    return handle


zeros = memoryview(bytes(CHUNK))
keep = []  # libvmdk does not hold parents itself
disk = opened(sys.argv[1])
with open(sys.argv[2], "wb") as raw:
    left = disk.media_size
    while left:
        data = disk.read_buffer(min(left, CHUNK))
        if not data:
            sys.exit("libvmdk: nothing read")
        if data == zeros[:len(data)]:
            raw.seek(len(data), 1)
        else:
            raw.write(data)
        left -= len(data)
    raw.truncate(disk.media_size)
