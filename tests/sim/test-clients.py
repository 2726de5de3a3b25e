#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test-clients.py VSPHERE-SIM: the simulator as its public clients meet it. Disks by qemu-img."""

import random
import struct

from clients import HostError, Login, NfcLib, Photon, ovdl, ovdl_close, ovdl_open, vectura, vectura_close
from simulator import Simulator, content, equal, expect, qemu_disk, refused
from tap import plan
from wire import message

MIB = 1 << 20
WRITES = [(0, 70000 // 512 * 512, 17), (5 * MIB, 2 * MIB, 33), (31 * MIB + 512, 512, 99)]


def vm(folder, *arguments, writes=WRITES):
    (folder / "web").mkdir()
    disk = folder / "web/web.vmdk"
    qemu_disk(disk, 32 * MIB, writes=writes)
    return disk, content(disk), Simulator("--datastore", f"ds={folder}", "--vm",
                                          "web=[ds] web/web.vmdk", *arguments)


def ovdl_reads(folder, service):
    _, wanted, sim = vm(folder, "--powered-off")
    with sim:
        aio = ovdl_open(sim, sim.ticket("read", vm="web"), "[ds] web/web.vmdk", service=service)
        equal(aio.capacity, 32 * MIB, "capacity")
        for compression in range(4):
            equal(aio.read(0, 32 * MIB, compression), wanted, f"compression {compression}")
            codes = {code for *_, code in aio.fragments}
            expect(codes <= {0, compression}, f"codes {codes}")
            expect(not compression or compression in codes, "nothing was compressed")
        equal(aio.read(512 * 1000, 512 * 129), wanted[512 * 1000:][:512 * 129], "129 sectors")
        equal(aio.ddb("adapterType"), "ide", "adapterType")
        equal(aio.ddb("no such key"), "", "a key that is not there")
        map_ = aio.allocated(65536, 0, 512)
        for i in range(512):
            part = wanted[i * 65536:(i + 1) * 65536]
            expect(map_[i] or not any(part), f"chunk {i} holds data")
        equal(aio.allocated(65536, 5 * MIB, 33), [1] * 32 + [0], "from another start")
        refused(lambda: aio.allocated(65536, 512, 1), 3, "a start between chunks")
        equal(aio.call(10, bytes(24)), bytes(24), "GET_FILE_INFO")
        refused(lambda: aio.call(99, bytes(7)), 3, "an unknown type")
        ovdl_close(aio)


def ovdl_writes(folder):
    disk, wanted, sim = vm(folder, "--powered-off")
    wanted = bytearray(wanted)
    with sim:
        aio = ovdl_open(sim, sim.ticket("write", vm="web", key=2000), "[ds] web/web.vmdk", 0x1a)
        shuffled = random.Random(5)
        for number, compression in enumerate((0, 1, 3)):
            data = bytes(shuffled.randrange(4) for _ in range(300 * 512)) + bytes(100 * 512)
            offset = (3 + number) * MIB + 512
            aio.write(offset, data, compression=compression,
                      order=lambda places: shuffled.sample(places, len(places)))
            wanted[offset:offset + len(data)] = data
            equal(aio.read(offset, len(data)), data, "what was written")
        refused(lambda: aio.write(32 * MIB, bytes(512)), 3, "behind the end")
        aio.ddb_set("comment", "three words here")
        equal(aio.ddb("comment"), "three words here", "a key that was set")
        other = ovdl(sim, sim.ticket("write", vm="web", key=2000))
        other.prologue()
        refused(lambda: other.open("[ds] web/web.vmdk", 0x1a), 16392, "a second writer")
        ovdl_close(aio)
    equal(content(disk), bytes(wanted), "the disk afterwards")


def vectura_reads(folder, service):
    _, wanted, sim = vm(folder, "--powered-off", "--esxi")
    with sim:
        aio = vectura(sim, sim.ticket("read", vm="web"), service)
        aio.open("[ds] web/web.vmdk")
        under_way = {}
        for at in range(0, 32 * MIB, MIB):
            under_way[aio.start_read(at, MIB, 3)] = (at, MIB)
        for op, data in aio.collect(under_way).items():
            at, _ = under_way[op]
            equal(data, wanted[at:at + MIB], f"the read at {at}")
        vectura_close(aio)


def photon(folder):
    _, _, sim = vm(folder)
    data = random.Random(1).randbytes(600000)
    disk = bytearray(9 * MIB)
    disk[512:1024] = b"\1" * 512
    disk[4 * MIB:5 * MIB] = random.Random(2).randbytes(MIB)
    with sim:
        client = Photon(sim, sim.ticket("files", datastore="ds"))
        equal(client.mkdir("[ds] image/a/b"), (1, []), "mkdir")
        client.put("[ds] image/a/b/x.bin", data)
        equal(client.get("[ds] image/a/b/x.bin"), data, "the file back")
        client.put_disk("[ds] image/d.vmdk", bytes(disk))
        database, got = client.get_disk("[ds] image/d.vmdk")
        equal(got, bytes(disk), "the disk back")
        equal(database["uuid"], "60 00 C2 9e 11 22 33 44-55 66 77 88 99 aa bb cc", "its uuid")
        equal(database["adapterType"], "lsilogic", "its adapter")
        client.close()
        equal(content(folder / "image/d.vmdk"), bytes(disk), "as qemu-img reads it")
        client = Photon(sim, sim.ticket("files", datastore="ds"))
        equal(client.delete("[ds] image"), (1, []), "delete")
        expect(not (folder / "image").exists(), "the folder is still there")
        refused(lambda: client.put("[ds] ../out.bin", data), 11, "a path that leaves")
        refused(lambda: client.get("[ds] none.bin"), 4, "a file that is not there")
        client.close()
        expect(not (folder.parent / "out.bin").exists(), "it left the datastore")


def photon_sync(folder):
    disk, wanted, sim = vm(folder, "--powered-off", "--profile", "6", "--nfc-version", "0")
    wanted = bytearray(wanted)
    with sim:
        client = Photon(sim, sim.ticket("write", vm="web", key=2000))
        name = b"[ds] web/web.vmdk\0"
        client.wire.write(message(21, struct.pack("<IIB", len(name), 0x0a, 0)) + name)
        equal(struct.unpack_from("<Q", client.expect(22), 4)[0], 32 * MIB, "capacity")
        client.wire.write(message(23, struct.pack("<IQI", 1, 7 * MIB, 1024)) + b"w" * 1024)
        client.expect(23)
        wanted[7 * MIB:7 * MIB + 1024] = b"w" * 1024
        client.wire.write(message(23, struct.pack("<IQI", 0, 4 * MIB, 4 * MIB)))
        client.expect(23)
        equal(client.wire.read(4 * MIB), bytes(wanted[4 * MIB:8 * MIB]), "a synchronous read")
        client.wire.write(message(23, struct.pack("<IQI", 0, 32 * MIB, 512)))
        refused(lambda: client.expect(23), 3, "behind the end")
        client.wire.write(message(24))
        client.expect(24)
        client.close()
        ovdl(sim, sim.ticket("read", vm="web")).close()  # 36 tells that it knows no 51
    equal(content(disk), bytes(wanted), "the disk afterwards")


def nfclib(folder, service):
    _, _, sim = vm(folder)
    data = random.Random(3).randbytes(300000)
    with sim:
        client = NfcLib(sim, sim.ticket("system"), service)
        for name in "abc":
            client.put(f"[ds] web/{name}.bin", data)
        client.ping()
        equal(client.rename("[ds] web/a.bin", "[ds] web/d.bin", "[ds] web/none", "[ds] web/e"),
              (1, [2]), "rename")
        equal(client.get("[ds] web/d.bin"), data, "the renamed file")
        equal(client.names(33, ["[ds] web/d.bin", "[ds] web/copy.bin"], 0, b"\0"), (1, []), "copy")
        equal(client.get("[ds] web/copy.bin"), data, "the copy")
        equal(client.delete("[ds] web/b.bin", "[ds] web/none", "[ds] web/c.bin"), (2, [1]), "delete")
        equal(client.names(31, [], 0, b"\0"), (0, []), "an empty list")
        equal(client.delete("[ds] web/web.vmdk"), (0, [0]), "the disk of a machine")
        client.close()


def versions(folder, version, told):
    _, wanted, sim = vm(folder, "--powered-off", "--profile", {11: 8, 7: 7, 2: 6}[version],
                        "--nfc-version", version)
    with sim:
        aio = ovdl_open(sim, sim.ticket("read", vm="web"), "[ds] web/web.vmdk")
        equal(aio.wire.version, told, "version")
        equal("SHA256 supported" in aio.login.greeting, version == 11, "SHA256 announced")
        equal(aio.read(5 * MIB, 4096), wanted[5 * MIB:][:4096], "a read")
        ovdl_close(aio)


def authd(folder):
    _, _, sim = vm(folder)
    with sim:
        login = Login(sim)
        equal(login.ask("THUMBPRINT_SHA2 PlainText"), "530 Please login with USER and PASS",
              "before SESSION")
        ticket = sim.ticket("read", vm="web")
        login.say(f"SESSION {ticket}")
        equal(login.ask("THUMBPRINT_SHA2 AA:BB"), "501 Invalid arguments", "a tag with colons")
        equal(login.ask("USER root")[:3], "331", "USER")
        equal(login.ask("PASS x"), "530 Login incorrect", "PASS")
        equal(login.proxy("nfc"), "200 Connect ha-nfc", "PROXY")
        for used in (ticket, "no such ticket"):
            again = Login(sim)
            again.say(f"SESSION {used}")
            refused(lambda: again.proxy("nfc"), 530, "a ticket that is used, or none")
        other = Login(sim)
        other.say(f"SESSION {sim.ticket('system')}")
        refused(lambda: other.proxy("telnet"), 501, "another service")


def scopes(folder):
    (folder / "db").mkdir()
    qemu_disk(folder / "db/db.vmdk", MIB)
    qemu_disk(folder / "db/db2.vmdk", MIB)
    _, _, sim = vm(folder, "--vm", "db=[ds] db/db.vmdk,db/db2.vmdk", "--powered-off")
    cases = [("read", {"vm": "web"}, "[ds] db/db.vmdk", 0x1e, 11),
             ("read", {"vm": "web"}, "[ds] web/web.vmdk", 0x1a, 11),
             ("readDisk", {"vm": "db", "key": 2000}, "[ds] db/db2.vmdk", 0x1e, 11),
             ("write", {"vm": "db", "key": 2001}, "[ds] db/db.vmdk", 0x1a, 11),
             ("system", {}, "[ds] db/none.vmdk", 0x1e, 4),
             ("system", {}, "[ds] ../x.vmdk", 0x1e, 11),
             ("system", {}, "[no] x.vmdk", 0x1e, 4)]
    with sim:
        for kind, scope, path, flags, code in cases:
            aio = ovdl(sim, sim.ticket(kind, **scope))
            aio.prologue()
            refused(lambda: aio.open(path, flags), code, f"{kind} {scope} {path}")
            aio.wire.close()
        ovdl_close(ovdl_open(sim, sim.ticket("write", vm="db", key=2001), "[ds] db/db2.vmdk", 0x1a))


def limits(folder):
    _, wanted, sim = vm(folder, "--powered-off")
    with sim:
        for size, count in ((4 * MIB, 1), (2 * MIB, 9)):
            aio = ovdl(sim, sim.ticket("read", vm="web"))
            refused(lambda: aio.call(2, struct.pack("<4I", 0, size, count, 0)), 5,
                    f"{count} buffers of {size}")
            aio.wire.close()
        aio = ovdl(sim, sim.ticket("read", vm="web"))
        aio.prologue(2 * MIB, 8)
        aio.open("[ds] web/web.vmdk")
        equal(aio.read(0, 32 * MIB), wanted, "buffers of 2 MiB")
        expect(max(length for _, _, length, _ in aio.fragments) == 2 * MIB, "fragments of 2 MiB")
        refused(lambda: aio.read(0, 511), 3, "half a sector")
        expect(aio.frame()[0] == 7, "the reply of zeros behind the error")
        ovdl_close(aio)


with plan() as tap:
    for name in ("vpxa-nfc", "vpxa-nfcssl"):
        tap.case(f"OVDL reads over {name}", ovdl_reads, name)
    tap.case("OVDL writes", ovdl_writes)
    for name in ("nfc", "nfcssl"):
        tap.case(f"Vectura reads over {name}, 32 requests at once", vectura_reads, name)
        tap.case(f"nfclib.py over {name}", nfclib, name)
    tap.case("Photon puts and gets files and disks", photon)
    tap.case("Photon's synchronous path, on a host without AIO", photon_sync)
    for number in (11, 7, 2):
        tap.case(f"library version {number}", versions, number, number)
    tap.case("authd, line by line; tickets are good once", authd)
    tap.case("what a ticket is not for", scopes)
    tap.case("sizes of buffers and requests", limits)
