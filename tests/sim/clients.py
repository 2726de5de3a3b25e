# SPDX-License-Identifier: Apache-2.0
"""Four public clients' ways to speak to a host, in shape: what they send in which order, and what
they insist on. Written from published descriptions of them, with no code of theirs."""

import base64
import os
import struct

from wire import Aio, HostError, Lost, Wire, message

DATA_MAGIC, DISK_MAGIC, ENTRY_MAGIC, RUN_MAGIC = 0xABCDEFAB, 0x87654321, 0xDEADBEEF, 0x12345678


class Login:
    """The dialogue with authd, in pieces."""

    def __init__(self, sim):
        self.sim = sim
        self.wire = Wire(sim.port)
        self.greeting = self.wire.line()
        assert self.greeting.startswith("220 ") and "SSL Required" in self.greeting
        self.first = self.wire.start_tls()
        assert self.first[0] == sim.ready["thumbprint"]

    def say(self, line):
        self.wire.write(line.encode() + b"\r\n")

    def ask(self, line):
        self.say(line)
        return self.wire.line()

    def proxy(self, service):
        reply = self.ask(f"PROXY {service}")
        if not reply.startswith("200 "):
            raise HostError(int(reply[:3]), reply)
        self.wire.drop_tls()
        if service.endswith("ssl"):
            self.second = self.wire.start_tls()
        return reply


def ovdl(sim, ticket, service="vpxa-nfcssl", version=11):
    """OpenVixDiskLib: waits for each answer, names itself vddk."""
    login = Login(sim)
    login.say(f"SESSION {ticket}")
    assert login.ask("BANNER ").startswith("220")
    if "SHA256 supported" in login.greeting:
        assert login.ask("THUMBPRINT_SHA2 PlainText") == "200 " + login.first[1]
    login.proxy(service)
    wire = login.wire
    if "SHA256 supported" in login.greeting:
        wire.write(message(43, b"PlainText"))
    wire.write(message(33))
    answer = wire.read(264)
    assert struct.unpack_from("<I", answer)[0] == 36, answer[:4]
    if struct.unpack_from("<I", answer, 16)[0] == 0:
        return wire
    wire.write(message(51, struct.pack("<I", version)))
    kind, told = struct.unpack_from("<II", wire.read(264))
    assert kind == 51, kind
    wire.version = told
    if told >= 3:
        wire.write(message(54, struct.pack("<II", 4, 7)))
        wire.write(b"vddk")
        wire.write(b"nbdmode")
        wire.write(message(55, struct.pack("<I", 3)))
    wire.write(message(52))
    assert wire.read(264) == message(52)
    aio = Aio(wire)
    aio.login = login
    return aio


def ovdl_open(sim, ticket, path, flags=0x1e, **options):
    aio = ovdl(sim, ticket, **options)
    aio.prologue()
    aio.open(path, flags)
    return aio


def ovdl_close(aio):
    aio.close()
    aio.end()
    aio.wire.write(message(4))
    aio.wire.close()


def vectura(sim, ticket, service="nfcssl"):
    """Vectura: insists on exact replies, sends 43, 33 and 51 without waiting, one write each."""
    login = Login(sim)
    assert "SHA256 supported" in login.greeting and len(login.greeting) <= 1024
    login.say(f"SESSION {ticket}")
    assert login.ask("BANNER ").startswith("220")
    tag = base64.b64encode(os.urandom(12)).decode()
    assert login.ask(f"THUMBPRINT_SHA2 {tag}") == "200 " + login.first[1]
    assert login.proxy(service) == f"200 Connect ha-{service}"
    if service.endswith("ssl"):
        assert login.second == login.first, "another certificate in the second handshake"
    wire = login.wire
    for part in (message(43, tag.encode()), message(33), message(51, struct.pack("<II", 12, 1))):
        wire.write(part)
    assert [struct.unpack_from("<I", wire.read(264))[0] for _ in range(2)] == [36, 51]
    wire.write(message(54, struct.pack("<II", 7, 7)) + b"vecturanbdmode")
    wire.write(message(55, struct.pack("<II", 3, 0)))
    wire.write(message(52))
    assert struct.unpack_from("<I", wire.read(264))[0] == 52
    aio = Aio(wire)
    assert aio.call(2, bytes(16)) == bytes(16)
    assert len(aio.call(9, bytes(12))) == 12
    assert len(aio.call(22, struct.pack("<I", 1))) == 4
    return aio


def vectura_close(aio):
    aio.close(bytes(8))
    aio.end(16)
    aio.wire.close()  # no message 4


class Classic:
    """File operations, shared by the two clients of the classic messages."""

    def error_of(self, head):
        kind, _, code, length = struct.unpack_from("<4I", head)
        assert kind == 20, f"message {kind}"
        raise HostError(code, self.wire.read(length).rstrip(b"\0").decode())

    def expect(self, kind):
        head = self.wire.read(264)
        if struct.unpack_from("<I", head)[0] != kind:
            self.error_of(head)
        return head

    def send_data(self, data):
        self.wire.write(message(7))
        self.wire.write(struct.pack("<II", DATA_MAGIC, len(data)))
        if data:
            self.wire.write(data)

    def read_data(self):
        self.expect(7)
        magic, size = struct.unpack("<II", self.wire.read(8))
        assert magic == DATA_MAGIC and size <= 262144, (magic, size)
        return self.wire.read(size)

    def put(self, path, data, flags=0x10, kind=0, size=None):
        name = path.encode() + b"\0"
        size = len(data) if size is None else size
        self.wire.write(message(1, struct.pack("<IIIQQ", kind, flags, len(name), size, size)))
        self.wire.write(name)
        for part in data if kind else [data[i:i + 262144] for i in range(0, len(data), 262144)]:
            self.send_data(part)
        self.send_data(b"")
        self.expect(27)

    def begin_get(self, path, kind=0):
        name = path.encode() + b"\0"
        self.wire.write(message(2, struct.pack("<III", kind, len(name), 0)))
        self.wire.write(name)
        head = self.expect(1)
        told, _, length, size, _, *rest = struct.unpack_from("<IIIQQIIBI", head, 4)
        assert not any(rest), rest
        self.wire.read(length)
        assert told in ((kind, 3) if kind == 2 else (kind,))
        return size

    def get(self, path):
        size = self.begin_get(path)
        data = b""
        while part := self.read_data():
            data += part
        assert len(data) == size
        return data

    def names(self, kind, names, flags=0, extra=b""):
        data = b"".join(name.encode() + b"\0" for name in names) + extra
        self.wire.write(message(kind, struct.pack("<IIH", len(data), flags, len(names))))
        self.wire.write(data)
        head = self.expect(36)
        size, extra_size, failed, good = struct.unpack_from("<IIHH", head, 4)
        bad = self.wire.read(size + extra_size)
        assert size == (2 * (failed + 1) if failed else 0)
        return good, list(struct.unpack_from(f"<{failed}H", bad))


class Photon(Classic):
    """Each character in a record of its own; one path, no NUL behind it; waits for message 4."""

    def __init__(self, sim, ticket, service="nfc"):
        login = Login(sim)
        for letter in f"SESSION {ticket}\r\nPROXY {service}\r\n":
            login.wire.write(letter.encode())
        reply = login.wire.line()
        assert reply.startswith("200 "), reply
        login.wire.drop_tls()
        self.wire = login.wire

    def mkdir(self, path):
        return self.names(34, [path], 2)

    def delete(self, path):
        return self.names(31, [path], 2)

    def put_disk(self, path, content, adapter=0x100):
        self.put(path, disk_payloads(content), 0x98 | adapter, 2, len(content))

    def get_disk(self, path):
        """(database, content); reads until it has all sectors, not to the end frame."""
        size = self.begin_get(path, 2)
        database, content = {}, b""
        while len(content) < size:
            part = self.read_data()
            magic, is_meta = struct.unpack_from("<II", part)
            assert magic == DISK_MAGIC
            if is_meta:
                database.update(entries(part[8:]))
            else:
                content += runs(part[8:])
        return database, content

    def close(self):
        self.wire.write(message(4))
        head = self.wire.read(264)
        if struct.unpack_from("<I", head)[0] == 7:  # the end frame of a disk comes first
            self.wire.read(8)
            head = self.wire.read(264)
        self.wire.close()


class NfcLib(Classic):
    """Asks for the thumbprint the older way, repeats its tag, adds a NUL to lists."""

    def __init__(self, sim, ticket, service="nfcssl"):
        login = Login(sim)
        tag = base64.b64encode(os.urandom(16)).decode() if service.endswith("ssl") else "PlainText"
        login.say(f"SESSION {ticket}")
        assert login.ask(f"THUMBPRINT {tag}") == "200 " + login.first[0]
        login.proxy(service)
        if service.endswith("ssl"):
            assert login.second[0] == login.first[0]
        self.wire = login.wire
        self.wire.write(message(43, tag.encode()))

    def delete(self, *paths):
        return self.names(31, paths, 0, b"\0")

    def rename(self, *pairs):
        return self.names(32, pairs, 0, b"\0")

    def ping(self):
        self.wire.write(message(8))

    def close(self):
        self.wire.write(message(4))
        self.wire.close()


def disk_payloads(content):
    """As Photon writes a disk: one sector a record, zero runs up to 32767, records never cut."""
    entry = struct.pack("<III", ENTRY_MAGIC, 5, 48) + b"uuid\0"
    entry += b"60 00 C2 9e 11 22 33 44-55 66 77 88 99 aa bb cc\0"
    yield struct.pack("<II", DISK_MAGIC, 1) + entry + struct.pack("<III", ENTRY_MAGIC, 0, 0)
    part, zeros = struct.pack("<II", DISK_MAGIC, 0), 0
    for at in range(0, len(content) + 1, 512):
        sector = content[at:at + 512]
        if sector and not any(sector) and zeros < 32767:
            zeros += 1
            continue
        if zeros:
            part += struct.pack("<II", RUN_MAGIC, zeros)
            zeros = 0 if not sector or any(sector) else 1
        if sector and any(sector):
            part += struct.pack("<II", RUN_MAGIC, 0x8001) + sector
        if len(part) > 262144 - 264 - 1040:
            yield part
            part = struct.pack("<II", DISK_MAGIC, 0)
    if len(part) > 8:
        yield part


def entries(data):
    found = {}
    while True:
        magic, key, value = struct.unpack_from("<III", data)
        assert magic == ENTRY_MAGIC
        if not key and not value:
            return found
        found[data[12:12 + key - 1].decode()] = data[12 + key:12 + key + value - 1].decode()
        data = data[12 + key + value:]


def runs(data):
    out = b""
    while data:
        magic, word = struct.unpack_from("<II", data)
        assert magic == RUN_MAGIC
        count = (word & 0x7fff) * 512
        out += data[8:8 + count] if word & 0x8000 else bytes(count)
        data = data[8 + (count if word & 0x8000 else 0):]
    return out


__all__ = ["Aio", "HostError", "Login", "Lost", "NfcLib", "Photon", "ovdl", "ovdl_close", "ovdl_open",
           "vectura", "vectura_close"]
