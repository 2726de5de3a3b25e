#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Disks as network block devices: nbdcopy, nbdinfo, qemu-img, qemu-io and libnbd's Python module
read and write what `vdisk serve` serves.

    test-nbd.py VDISK
"""

import errno
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time

try:
    import nbd
except ImportError:  # the module belongs to the system's own interpreter
    if sys.executable != "/usr/bin/python3":
        os.execv("/usr/bin/python3", ["/usr/bin/python3", *sys.argv])
    print("Bail out! install python3-libnbd")
    sys.exit(1)

import programs
from programs import VDISK, good, info, need, qemu_io, run, vdisk, vdisk_map
from served import (HOLE, PLUGIN, ZERO, environment, in_background, sanitizer, served_bytes,
                    served_map, serving, started, told_map)
from tap import equal, expect, memory, plan

KIB, MIB = 1 << 10, 1 << 20
SIZE = 6 * MIB + 5 * KIB
WRITABLE = ["monolithicSparse", "monolithicFlat", "twoGbMaxExtentSparse", "twoGbMaxExtentFlat",
            "vmfs", "vmfsThin", "vmfsSparse", "seSparse", "raw"]


def content():
    """Noise, zeros, and a little data at odd places."""
    noise = random.Random(5)
    data = bytearray(SIZE)
    data[0:1 * MIB] = noise.randbytes(1 * MIB)
    data[2 * MIB + 512:2 * MIB + 1536] = noise.randbytes(1024)
    data[4 * MIB:5 * MIB] = noise.randbytes(1 * MIB)
    data[SIZE - 512:] = noise.randbytes(512)
    return bytes(data)


def raw_file(folder, data):
    path = folder / "content.raw"
    path.write_bytes(data)
    return path


def made(folder, kind, data):
    """A disk of this kind and content."""
    raw = raw_file(folder, data)
    if kind == "raw":
        return raw
    path = folder / "d.vmdk"
    if kind in ("vmfsSparse", "seSparse", "twoGbMaxExtentSparse", "twoGbMaxExtentFlat"):
        vdisk("create", "-t", kind, "-s", len(data), path)
        with open(raw, "rb") as source:
            vdisk("write", path, stdin=source)
    else:
        vdisk("convert", "-O", kind, raw, path)
    return path


def chain(folder, data):
    """A child that hides a part of its parent; gives its path and content."""
    parent, child = made(folder, "monolithicSparse", data), folder / "child.vmdk"
    vdisk("create", "-t", "monolithicSparse", "--parent", parent, child)
    change = random.Random(6).randbytes(100 * KIB)
    at = 1 * MIB - 30 * KIB
    (folder / "change").write_bytes(change)
    vdisk("write", "--offset", at, "-i", folder / "change", child)
    return child, data[:at] + change + data[at + len(change):]


def same(found, wanted, what):
    if found == wanted:
        return
    equal(len(found), len(wanted), f"length of {what}")
    at = next(i for i in range(len(found)) if found[i] != wanted[i])
    expect(False, f"{what} differs from byte {at} on: {found[at:at + 8].hex()}, "
                  f"expected {wanted[at:at + 8].hex()}")


def opened(server):
    handle = nbd.NBD()
    handle.set_strict_mode(0)
    handle.add_meta_context(nbd.CONTEXT_BASE_ALLOCATION)
    handle.connect_unix(str(server.socket))
    return handle


def refused(call, number, *args):
    try:
        call(*args)
    except nbd.Error as error:
        equal(error.errnum, number, f"errno of {call.__name__}")
        return
    expect(False, f"{call.__name__}{args} succeeded")


# Reading.

def check_reading(folder, path, data):
    with serving(folder, path, quiet=False) as server:
        same(served_bytes(server.uri), data, "what nbdcopy reads")
        equal(served_map(server.uri), told_map(vdisk_map(path)), "the map nbdinfo shows")
        good("qemu-img", "convert", "-f", "raw", "-O", "raw", server.uri, folder / "out.raw")
        same((folder / "out.raw").read_bytes(), data, "what qemu-img converts")
        handle = opened(server)
        equal(handle.get_size(), len(data), "size")
        expect(handle.is_read_only(), "the export is not read-only")
        expect(handle.can_multi_conn(), "connections are not said to be one")
        refused(handle.pwrite, errno.EPERM, b"x", 0)
        for offset, length in ((0, 1), (511, 2), (MIB - 1, 513), (2 * MIB + 500, 700),
                               (len(data) - 1, 1)):
            same(bytes(handle.pread(length, offset)), data[offset:offset + length], "odd bytes")
        handle.shutdown()


def reads(folder, kind):
    check_reading(folder, made(folder, kind, content()), content())


def reads_chain(folder):
    path, data = chain(folder, content())
    check_reading(folder, path, data)


def reads_zero_grains(folder):
    """qemu-img writes grains that are said to be zeros."""
    path = folder / "z.vmdk"
    good("qemu-img", "create", "-q", "-f", "vmdk", "-o", "zeroed_grain=on", path, "4M")
    qemu_io(path, "write -P 3 0 1M", "write -z 256k 256k")
    with serving(folder, path) as server:
        found = served_map(server.uri)
        equal(found, told_map(vdisk_map(path)), "the map")
        expect([256 * KIB, 256 * KIB, ZERO] in found, f"no run of zeros in {found}")


def reads_single_link(folder):
    """What only the parent knows is a hole that does not claim to be zeros, and cannot be read."""
    path, data = chain(folder, content())
    with serving(folder, path, "--single-link", quiet=False) as server:
        handle = opened(server)
        kinds = []
        handle.block_status(SIZE, 0, lambda _, __, entries, ___: kinds.extend(entries[1::2]))
        equal(sorted(set(kinds)), [0, HOLE], "types")
        refused(handle.pread, errno.EIO, 512, 4 * MIB)
        same(bytes(handle.pread(9, 1 * MIB)), data[MIB:MIB + 9], "what the child has")
        handle.shutdown()


def block_sizes(folder):
    wanted = {"monolithicSparse": 64 * KIB, "seSparse": 4096, "monolithicFlat": 4096}
    for kind, preferred in wanted.items():
        place = folder / kind
        place.mkdir()
        with serving(place, made(place, kind, bytes(MIB))) as server:
            handle = opened(server)
            equal(handle.get_block_size(nbd.SIZE_MINIMUM), 1, "minimum")
            equal(handle.get_block_size(nbd.SIZE_PREFERRED), preferred, f"preferred of {kind}")
            equal(handle.get_block_size(nbd.SIZE_MAXIMUM), 32 * MIB, "maximum")
            handle.shutdown()


def damaged(folder):
    """A bad table is told to the client that gets there, and the server goes on."""
    path = made(folder, "monolithicSparse", content())
    at = vdisk_map(path)["runs"][0]["offset"] // 512
    image = bytearray(path.read_bytes())
    entries = b"".join((at + i * 128).to_bytes(4, "little") for i in range(8))
    expect(entries in image, "the table is not found")
    path.write_bytes(bytes(image).replace(entries, entries[:4] + b"\xf0\xff\xff\x7f" + entries[8:]))
    with serving(folder, path, quiet=False) as server:
        handle = opened(server)
        refused(handle.pread, errno.EIO, 512, 64 * KIB)
        same(bytes(handle.pread(512, 0)), content()[:512], "the sound part")
        handle.shutdown()
        expect("d.vmdk" in server.stop(), "the server does not tell which file")


# Writing.

def change_at_random(handle, model, seed, steps, tight):
    """`tight`: what is trimmed reads as zeros; else as zeros or as before."""
    rng = random.Random(seed)
    for _ in range(steps):
        length = rng.choice([1, 7, 512, 4096, 65536, rng.randrange(1, 300000)])
        offset = rng.randrange(len(model))
        if rng.random() < 0.4:
            offset -= offset % 512
        length = min(length, len(model) - offset)
        flags = rng.choice([0, 0, nbd.CMD_FLAG_FUA])
        step = rng.randrange(10)
        if step < 5:
            data = rng.randbytes(length)
            handle.pwrite(data, offset, flags)
            model[offset:offset + length] = data
        elif step < 7:
            handle.zero(length, offset, flags | rng.choice([0, nbd.CMD_FLAG_NO_HOLE]))
            model[offset:offset + length] = bytes(length)
        elif step < 8:
            handle.trim(length, offset, flags)
            trimmed(handle, model, offset, length, tight)
        else:
            same(bytes(handle.pread(length, offset)), bytes(model[offset:offset + length]),
                 "what was written")


def trimmed(handle, model, offset, length, tight):
    """Whole sectors may be zeros now; others stay."""
    first, last = -(-offset // 512) * 512, (offset + length) // 512 * 512
    for at in range(first, last, 512):
        now = bytes(handle.pread(512, at))
        expect(now == bytes(512) or (not tight and now == model[at:at + 512]),
               f"sector at {at} is neither trimmed nor as before")
        model[at:at + 512] = now


def check_written(folder, path, model):
    vdisk("check", path)
    same(vdisk("convert", "-O", "raw", path, "-").out, bytes(model), "the disk afterwards")


def writes(folder, kind):
    path, model = made(folder, kind, content()), bytearray(content())
    with serving(folder, path, "--writable") as server:
        handle = opened(server)
        expect(not handle.is_read_only(), "the export is read-only")
        change_at_random(handle, model, 17, 150, True)
        handle.flush()
        handle.shutdown()
        same(served_bytes(server.uri), bytes(model), "what is served then")
    if kind == "raw":
        same(path.read_bytes(), bytes(model), "the file")
    else:
        check_written(folder, path, model)


def writes_chain(folder, kind):
    parent = made(folder, "monolithicFlat" if kind == "seSparse" else "monolithicSparse", content())
    before = vdisk("convert", "-O", "raw", parent, "-").out
    path, model = folder / "child.vmdk", bytearray(content())
    vdisk("create", "-t", kind, "--parent", parent, path)
    with serving(folder, path, "--writable") as server:
        handle = opened(server)
        change_at_random(handle, model, 18, 150, False)
        handle.shutdown()
    check_written(folder, path, model)
    same(vdisk("convert", "-O", "raw", parent, "-").out, before, "the parent")


def writes_from_several(folder):
    """Each of four clients has every fourth byte of some sectors, and regions of its own."""
    path, model = made(folder, "monolithicSparse", content()), bytearray(content())
    shared, clients, region = 3 * MIB - 700, 4, 200 * KIB
    faults = []

    def client(number):
        try:
            handle, rng = opened(server), random.Random(number)
            start = 3 * MIB + 1000 + number * region
            for _ in range(40):
                at = shared + 4 * rng.randrange(400) + number
                data = rng.randbytes(1)
                handle.pwrite(data, at)
                model[at:at + 1] = data
                length = rng.randrange(1, 50000)
                at = start + rng.randrange(region - length)
                data = rng.randbytes(length)
                handle.pwrite(data, at)
                model[at:at + length] = data
            handle.flush()
            handle.shutdown()
        except Exception as error:  # told on the thread that can fail the case
            faults.append(error)

    with serving(folder, path, "--writable") as server:
        threads = [threading.Thread(target=client, args=(i,)) for i in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        equal(faults, [], "faults of clients")
    check_written(folder, path, model)


def copies_onto(folder, copy):
    """A new disk filled by another program; zeros take no room."""
    source, path = raw_file(folder, content()), folder / "new.vmdk"
    vdisk("create", "-t", "monolithicSparse", "-s", SIZE, path)
    with serving(folder, path, "--writable") as server:
        copy(source, server)
        good("qemu-img", "compare", "-f", "raw", "-F", "raw", source, server.uri)
    check_written(folder, path, content())
    expect(path.stat().st_size < 3 * MIB, f"the file has {path.stat().st_size} bytes")


def nbdcopy_onto(source, server):
    good("nbdcopy", "--connections=4", "--flush", source, server.uri)


def pipe_onto(source, server):
    with open(source, "rb") as stdin:
        good("nbdcopy", "-", server.uri, stdin=stdin)


def qemu_onto(source, server):
    good("qemu-img", "convert", "-n", "-f", "raw", "-O", "raw", source, server.uri)


def qemu_io_writes(folder):
    path = made(folder, "twoGbMaxExtentSparse", bytes(8 * MIB))
    with serving(folder, path, "--writable") as server:
        result = good("qemu-io", "-f", "raw", "-c", "write -P 5 1000 3000", "-c", "read -P 5 1000 3000",
                      "-c", "aio_write -P 6 2M 1M", "-c", "aio_flush", "-c", "write -z 2M 64k",
                      "-c", "read -P 0 2M 64k", "-c", "read -P 6 2112k 64k", "-c", "flush", server.uri)
        expect(b"failed" not in result.out, str(result.out))
    model = bytearray(8 * MIB)
    model[1000:4000] = bytes([5]) * 3000
    model[2 * MIB + 64 * KIB:3 * MIB] = bytes([6]) * (MIB - 64 * KIB)
    check_written(folder, path, model)


def trim_gives_back(folder):
    for kind in ("monolithicSparse", "seSparse", "monolithicFlat"):
        place = folder / kind
        place.mkdir()
        path = made(place, kind, random.Random(7).randbytes(4 * MIB))
        with serving(place, path, "--writable") as server:
            before = room(place)
            handle = opened(server)
            handle.trim(4 * MIB, 0)
            handle.flush()
            handle.shutdown()
            expect(room(place) < before - 3 * MIB, f"{kind} took {before} and takes {room(place)}")
        check_written(place, path, bytes(4 * MIB))


def room(folder):
    return sum(file.stat().st_blocks * 512 for file in folder.glob("d*.vmdk"))


def fast_zero(folder):
    path = made(folder, "monolithicSparse", content())
    with serving(folder, path, "--writable") as server:
        handle = opened(server)
        expect(handle.can_fast_zero(), "fast zeroing is not offered")
        handle.zero(MIB, 3 * MIB, nbd.CMD_FLAG_FAST_ZERO)
        refused(handle.zero, errno.ENOTSUP, 2 * MIB, 3 * MIB, nbd.CMD_FLAG_FAST_ZERO)
        handle.shutdown()
    check_written(folder, path, content())


# TLS.

def tls_psk(folder):
    path, keys = made(folder, "monolithicSparse", content()), folder / "keys"
    keys.write_text("alice:" + "5a" * 32 + "\n")
    (folder / "wrong").write_text("alice:" + "a5" * 32 + "\n")
    with serving(folder, path, "--tls-psk", keys, quiet=False) as server:
        uri = f"nbds+unix://alice@/?socket={server.socket}&tls-psk-file="
        same(served_bytes(uri + str(keys)), content(), "what is read through TLS")
        for other in (server.uri, uri + str(folder / "wrong")):
            expect(run("nbdinfo", "--size", other).code != 0, f"{other} is let in")


def tls_certificates(folder):
    path, certificates = made(folder, "monolithicSparse", content()), folder / "pki"
    certificates.mkdir()
    make_certificates(certificates)
    with serving(folder, path, "--tls-certificates", certificates, quiet=False) as server:
        handle = nbd.NBD()
        handle.set_tls(nbd.TLS_REQUIRE)
        handle.set_tls_certificates(str(certificates))
        handle.set_tls_verify_peer(False)  # the name is not this socket's
        handle.connect_unix(str(server.socket))
        same(bytes(handle.pread(1000, 4 * MIB)), content()[4 * MIB:4 * MIB + 1000], "through TLS")
        handle.shutdown()
        expect(run("nbdinfo", "--size", server.uri).code != 0, "plain text is let in")


def make_certificates(folder):
    def openssl(*words):
        good("openssl", *words)

    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=ca", "-days", "2",
            "-keyout", folder / "ca-key.pem", "-out", folder / "ca-cert.pem")
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost",
            "-keyout", folder / "server-key.pem", "-out", folder / "server.csr")
    openssl("x509", "-req", "-in", folder / "server.csr", "-days", "2", "-CAcreateserial",
            "-CA", folder / "ca-cert.pem", "-CAkey", folder / "ca-key.pem",
            "-out", folder / "server-cert.pem")


# The command.

def tcp(folder):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    path, ready = made(folder, "streamOptimized", content()), folder / "ready"
    process = started(folder, [VDISK, "serve", "--port", port, "--pidfile", ready, path], ready)
    try:
        same(served_bytes(f"nbd://127.0.0.1:{port}"), content(), "through TCP")
        result = run_serve(folder, "--port", port, path)
        equal(result.returncode, 2, "exit status where the port is taken")
        expect("failed; it told why" in result.stderr, result.stderr)
    finally:
        process.send_signal(signal.SIGINT)
        equal(process.wait(30), 0, "exit status after SIGINT")


def run_serve(folder, *words, env=None):
    return subprocess.run([VDISK, "serve", *map(str, words)], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, cwd=folder, timeout=60, check=False,
                          env=env or environment())


def ends_well(folder, number):
    """A client that never flushed and is still there when the signal comes."""
    path, model = made(folder, "monolithicSparse", content()), bytearray(content())
    with serving(folder, path, "--writable", quiet=False) as server:
        handle = opened(server)
        model[3 * MIB:3 * MIB + 5] = b"later"
        handle.pwrite(b"later", 3 * MIB)
        server.stop(number)
    equal(info(path)["links"][0]["extents"][0].get("uncleanShutdown", False), False, "unclean")
    check_written(folder, path, model)


def disconnecting_flushes(folder):
    """The server and the machine may end as they like once a client is gone."""
    path, model = made(folder, "monolithicSparse", content()), bytearray(content())
    with serving(folder, path, "--writable", quiet=False) as server:
        handle = opened(server)
        model[3 * MIB:3 * MIB + 5] = b"later"
        handle.pwrite(b"later", 3 * MIB)
        handle.shutdown()
        time.sleep(0.3)
        copy = folder / "copy.vmdk"
        copy.write_bytes(path.read_bytes())
    same(vdisk("convert", "-O", "raw", copy, "-").out, bytes(model), "the disk while served")


def dies_with_its_parent(folder):
    path, ready = made(folder, "monolithicSparse", content()), folder / "ready"
    process = started(folder, [VDISK, "serve", "-U", folder / "s", "--pidfile", ready, path], ready)
    server = int(ready.read_text())
    process.kill()
    process.wait()
    end = time.monotonic() + 20
    while os.path.exists(f"/proc/{server}") and time.monotonic() < end:
        with open(f"/proc/{server}/stat", encoding="ascii") as stat:
            if stat.read().rsplit(")", 1)[1].split()[0] == "Z":
                break
        time.sleep(0.01)
    else:
        expect(not os.path.exists(f"/proc/{server}"), "nbdkit outlives vdisk")


def runs_a_command(folder):
    """Its exit status is passed on, and the disk is closed and free when serve returns."""
    path = made(folder, "monolithicSparse", content())
    env = dict(environment(), LC_ALL="C")
    for status in (0, 7):
        command = f'LD_PRELOAD= nbdinfo --size "$uri" && LD_PRELOAD= nbdcopy "$uri" "$uri" && exit {status}'
        result = run_serve(folder, "--writable", "--run", command, path, env=env)
        equal((result.returncode, result.stdout), (status, f"{SIZE}\n"), result.stderr)
        check_written(folder, path, content())
        vdisk("write", "--length", "0", path)


def locked(folder):
    path = made(folder, "monolithicSparse", content())
    with serving(folder, path, "--writable") as server:
        result = run_serve(folder, "-U", "other", "--writable", path)
        equal(result.returncode, 2, "exit status of a second writer")
        expect("d.vmdk" in result.stderr and "lock" in result.stderr, result.stderr)
        equal(run(VDISK, "write", path, "--length", "0").code, 2, "vdisk write")
        same(served_bytes(server.uri), content(), "what is served")


def refusals(folder):
    path = made(folder, "monolithicSparse", content())
    stream = folder / "stream.vmdk"
    vdisk("convert", "-O", "streamOptimized", path, stream)
    readable = folder / "r.vmdk"
    readable.write_text('# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\n'
                        'createType="monolithicFlat"\nRDONLY 8 FLAT "content.raw" 0\n')
    (folder / "taken").write_text("")
    lone = dict(environment(), PATH=str(folder))
    cases = [
        (["missing.vmdk"], "missing.vmdk.*No such file", None),
        (["--writable", stream], "only written as a whole", None),
        (["--writable", readable], "RDONLY", None),
        (["-U", "taken", path], "socket 'taken'", None),
        (["-U", "x", "--port", "9", path], "one way to listen", None),
        (["--port", "70000", path], "--port is '70000', expected 1 to 65535", None),
        (["--port", "x", path], "--port is 'x'", None),
        (["--socket=", path], "--socket is empty", None),
        (["--tls-psk", "nokeys", path], "cannot use 'nokeys' for TLS: No such file", None),
        (["--tls-certificates", "taken", path], "'taken' for TLS: it is not a folder", None),
        (["--tls-certificates", ".", "--tls-psk", "taken", path], "both given", None),
        ([path], "nbdkit is not installed", lone),
    ]
    for words, sentence, env in cases:
        result = run_serve(folder, *words, env=env)
        equal(result.returncode, 2, f"exit status of {words}")
        equal(len(result.stderr.splitlines()), 1, f"lines of {words}: {result.stderr}")
        expect(re.search(sentence, result.stderr), f"{words}: {result.stderr}")


def without_tls(folder):
    """An nbdkit that was built without TLS is not started for it."""
    path = made(folder, "monolithicSparse", content())
    fake = folder / "nbdkit"
    fake.write_text("#!/bin/sh\necho tls=no\n")
    fake.chmod(0o755)
    (folder / "keys").write_text("")
    env = dict(environment(), PATH=f"{folder}:{os.environ['PATH']}")
    result = run_serve(folder, "--tls-psk", "keys", path, env=env)
    equal(result.returncode, 2, "exit status")
    expect("was built without it" in result.stderr, result.stderr)


# The plugin alone.

def plugin_in_background(folder):
    """nbdkit leaves its folder when it goes into the background; extents are still found."""
    made(folder, "twoGbMaxExtentSparse", content())
    place, server = in_background(folder, "d.vmdk")
    try:
        same(served_bytes(f"nbd+unix:///?socket={place}"), content(), "from the background")
    finally:
        os.kill(server, signal.SIGTERM)


def plugin_parameters(folder):
    made(folder, "monolithicSparse", content())
    cases = [
        ([], "file=DISK or url=URL is missing"),
        (["d.vmdk", "disk=d.vmdk"], "file= is given twice"),
        (["d.vmdk", "format=qcow2"], "format is 'qcow2', expected vmdk, raw or auto"),
        (["d.vmdk", "colour=red"], "unknown parameter 'colour'"),
        (["d.vmdk", "writable=perhaps"], "could not decipher boolean"),
        (["content.raw", "format=vmdk"], "content.raw"),
        (["nothing.vmdk"], "No such file"),
        (["d.vmdk", *["parent-dir=."] * 33], "more than 32 times"),
    ]
    for words, sentence in cases:
        result = subprocess.run(["nbdkit", "-U", "-", PLUGIN, *words, "--run", "true"], cwd=folder,
                                env=environment(), capture_output=True, text=True, timeout=60,
                                check=False)
        equal(result.returncode, 1, f"exit status of {words}: {result.stderr}")
        expect(sentence in result.stderr, f"{words}: {result.stderr}")
    dump = subprocess.run(["nbdkit", "--dump-plugin", PLUGIN], env=environment(), text=True,
                          capture_output=True, check=True, timeout=60).stdout
    for line in ("name=vdisk", "max_thread_model=parallel", "magic_config_key=file",
                 "vdisk_formats=vmdk,raw", "has_extents=1", "has_block_size=1"):
        expect(line + "\n" in dump, f"no {line} in {dump}")


def main():
    need("nbdkit", "nbdcopy", "nbdinfo", "qemu-img", "qemu-io", "openssl")
    with plan(memory()) as tap:
        if programs.SANITIZED and not sanitizer():
            tap.skip("everything", "nbdkit cannot load a sanitizer that is linked statically")
            return
        for kind in [*WRITABLE, "streamOptimized"]:
            tap.case(f"{kind} is read", reads, kind)
        for body in (reads_chain, reads_zero_grains, reads_single_link, block_sizes, damaged):
            tap.case(body.__name__.replace("_", " "), body)
        for kind in WRITABLE:
            tap.case(f"{kind} is written", writes, kind)
        for kind in ("monolithicSparse", "vmfsSparse", "seSparse"):
            tap.case(f"{kind} is written over its parent", writes_chain, kind)
        for copy in (nbdcopy_onto, pipe_onto, qemu_onto):
            tap.case(copy.__name__.replace("_", " "), copies_onto, copy)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            tap.case(f"ends well after {number.name}", ends_well, number)
        for body in (tls_psk, tls_certificates, tcp):
            if programs.SANITIZED:  # nbdkit hangs in p11-kit's destructor, with any plugin
                tap.skip(body.__name__, "nbdkit with a sanitizer loaded does not always end")
            else:
                tap.case(body.__name__.replace("_", " "), body)
        for body in (writes_from_several, qemu_io_writes, trim_gives_back, fast_zero,
                     disconnecting_flushes, dies_with_its_parent, runs_a_command, locked, refusals, without_tls, plugin_in_background,
                     plugin_parameters):
            tap.case(body.__name__.replace("_", " "), body)


if __name__ == "__main__":
    main()
