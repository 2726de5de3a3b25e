# SPDX-License-Identifier: Apache-2.0
"""The way to NFC as its public clients go it: authd, TLS put on and taken off, messages, frames."""

import hashlib
import socket
import ssl
import struct
import zlib

SECONDS = 30
FRAME = 0xA100DA7A


class Lost(Exception):
    """The host closed the connection."""


class HostError(Exception):
    def __init__(self, code, text):
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text


class Wire:
    """A socket, and at most one TLS session on it at a time, without a word when that ends."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.tls = None

    def start_tls(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing)
        self.drive(self.tls.do_handshake)
        certificate = self.tls.getpeercert(True)
        return thumbprint("sha1", certificate), thumbprint("sha256", certificate)

    def drop_tls(self):
        if self.incoming.pending:
            raise AssertionError("bytes came behind the reply to PROXY, inside TLS")
        self.tls = None

    def drive(self, step, *arguments):
        while True:
            try:
                result = step(*arguments)
                self.socket.sendall(self.outgoing.read())
                return result
            except ssl.SSLWantReadError:
                self.socket.sendall(self.outgoing.read())
                data = self.socket.recv(65536)
                if not data:
                    raise Lost() from None
                self.incoming.write(data)

    def write(self, data):
        if self.tls:
            self.drive(self.tls.write, data)
        else:
            self.socket.sendall(data)

    def some(self, count):
        try:
            data = self.drive(self.tls.read, count) if self.tls else self.socket.recv(count)
        except ConnectionError:
            data = b""
        if not data:
            raise Lost()
        return data

    def read(self, count):
        parts = []
        while count:
            parts.append(self.some(count))
            count -= len(parts[-1])
        return b"".join(parts)

    def line(self):
        text = b""
        while not text.endswith(b"\r\n"):
            text += self.read(1)
        return text[:-2].decode()

    def close(self):
        self.socket.close()


def thumbprint(kind, certificate):
    digest = hashlib.new(kind, certificate).hexdigest().upper()
    return ":".join(digest[i:i + 2] for i in range(0, len(digest), 2))


def message(kind, body=b""):
    return struct.pack("<I", kind) + body.ljust(260, b"\0")


class Aio:
    """The client's half of AIO, one request at a time unless told otherwise."""

    def __init__(self, wire):
        self.wire = wire
        self.op = 0
        self.fragments = []  # of the last read: (op, offset, length, compression)

    def send(self, kind, payload, trailer=b""):
        op = self.op
        self.op += 1
        self.wire.write(struct.pack("<4I", FRAME, kind, len(payload), op) + payload + trailer)
        return op

    def frame(self):
        magic, kind, size, op = struct.unpack("<4I", self.wire.read(16))
        if magic != FRAME:
            raise AssertionError(f"magic number {magic:#x}")
        payload = self.wire.read(size)
        if kind == 1:
            code, _, length = struct.unpack("<QII", payload)
            return kind, op, (code, self.wire.read(length).decode())
        return kind, op, payload

    def call(self, kind, payload, trailer=b""):
        op = self.send(kind, payload, trailer)
        got, got_op, answer = self.frame()
        if got == 1:
            # the zero reply behind it; an unknown type has none
            if kind in (2, 4, 5, 7, 11, 12, 13):
                self.frame()
            raise HostError(*answer)
        assert (got, got_op) == (kind, op), (got, got_op, kind, op)
        return answer

    def prologue(self, size=65536, count=4):
        assert self.call(2, struct.pack("<4I", 0, size, count, 0)) == bytes(16)
        assert self.call(9, bytes(12)) == struct.pack("<3I", 1675000, 1675000, 1)
        assert len(self.call(22, struct.pack("<I", 1))) == 4

    def open(self, path, flags=0x1e):
        name = path.encode()
        request = struct.pack("<I12xII36x", len(name), 2, flags)
        answer = self.call(4, request, name)
        assert len(answer) == 60, len(answer)
        status, handle, kind, told, _ = struct.unpack_from("<QQIII", answer)
        assert (status, kind, told) == (0, 2, flags), (status, kind, told)
        self.handle = handle
        self.capacity, self.sector = struct.unpack_from("<QI", answer, 28)
        return self.capacity

    def start_read(self, offset, length, compression=0):
        return self.send(7, struct.pack("<QIIQIIIII", self.handle, 1, compression, offset, length,
                                        0, length, length, 0))

    def collect(self, wanted):
        """{op: (offset, length)} -> {op: bytes}; fragments in any order, none twice."""
        into = {op: bytearray(length) for op, (_, length) in wanted.items()}
        missing = {op: set(range(length)) if length <= 4096 else length
                   for op, (_, length) in wanted.items()}
        left = {op: length for op, (_, length) in wanted.items()}
        self.fragments = []
        while any(left.values()):
            kind, op, payload = self.frame()
            if kind == 1:
                raise HostError(*payload)
            status, way, code, base, total, at, length, size, _ = struct.unpack("<QIIQIIIII",
                                                                               payload)
            data = self.wire.read(size)
            if status:
                raise HostError(status, "status")
            assert (kind, way, base, total) == (7, 1, *wanted[op]), (kind, way, base, total)
            assert 0 < length and at + length <= total, (at, length, total)
            data = unpack(code, data, length)
            assert len(data) == length
            into[op][at:at + length] = data
            left[op] -= length
            assert left[op] >= 0, "a fragment came twice"
            self.fragments.append((op, at, length, code))
        del missing
        return {op: bytes(data) for op, data in into.items()}

    def read(self, offset, length, compression=0):
        op = self.start_read(offset, length, compression)
        return self.collect({op: (offset, length)})[op]

    def write(self, offset, data, piece=65536, compression=0, order=None):
        op = self.op
        self.op += 1
        places = list(range(0, len(data), piece))
        for at in order(places) if order else places:
            part = data[at:at + piece]
            packed, code = pack(compression, part)
            payload = struct.pack("<QIIQIIIII", self.handle, 0, code, offset, len(data), at,
                                  len(part), len(packed), 0)
            self.wire.write(struct.pack("<4I", FRAME, 7, 44, op) + payload)
            self.wire.write(packed)
        kind, got, payload = self.frame()
        if kind == 1:
            self.frame()
            raise HostError(*payload)
        assert (kind, got) == (7, op)
        assert struct.unpack_from("<I", payload, 36)[0] != 0
        return payload

    def ddb(self, key):
        name = key.encode()
        op = self.send(11, struct.pack("<QII", self.handle, len(name), 0), name)
        kind, got, payload = self.frame()
        assert (kind, got) == (11, op) and payload[:12] == bytes(12), (kind, payload)
        return self.wire.read(struct.unpack_from("<I", payload, 12)[0]).decode()

    def ddb_set(self, key, value):
        name, text = key.encode(), value.encode()
        self.call(12, struct.pack("<QII", self.handle, len(name), len(text)), name + text)

    def allocated(self, chunk, start, count):
        answer = self.call(13, struct.pack("<QQQQQQ", self.handle, 0, chunk, start, count, 0))
        assert len(answer) == 48 and struct.unpack_from("<Q", answer, 32)[0] == count
        bits = self.wire.read(4 * ((count + 31) // 32))
        return [bits[i // 8] >> i % 8 & 1 for i in range(count)]

    def close(self, padding=b""):
        assert self.call(5, struct.pack("<Q", self.handle) + padding) == bytes(8 + len(padding))

    def end(self, size=4):
        assert self.call(3, bytes(size)) == bytes(size)


def pack(code, data):
    if code == 1:
        packed = zlib.compress(data)
    elif code == 3:
        packed = struct.pack("<II", len(data), 0)
        if data.strip(b"\0"):
            packed += struct.pack("<II", 0, len(data)) + data
    else:
        return data, 0
    return (packed, code) if len(packed) < len(data) else (data, 0)


def unpack(code, data, length):
    if code == 0:
        return data
    if code == 1:
        return zlib.decompress(data)
    if code == 2:
        return unpack_fastlz(data)
    out = bytearray(length)
    if len(data) == length and struct.unpack_from("<I", data)[0] != length:
        return data
    assert struct.unpack_from("<II", data) == (length, 0)
    at = 8
    while at < len(data):
        offset, size = struct.unpack_from("<II", data, at)
        out[offset:offset + size] = data[at + 8:at + 8 + size]
        at += 8 + size
    return bytes(out)


def unpack_fastlz(data):
    level, out, at = data[0] >> 5, bytearray(), 0
    first = True
    while at < len(data):
        c = data[at] & (31 if first else 255)
        first = False
        at += 1
        if c < 32:
            out += data[at:at + c + 1]
            at += c + 1
            continue
        length, distance = (c >> 5) - 1, (c & 31) << 8
        if length == 6:
            while True:
                length += data[at]
                at += 1
                if level == 0 or data[at - 1] != 255:
                    break
        b = data[at]
        at += 1
        distance += b
        if level and b == 255 and c & 31 == 31:
            distance = (data[at] << 8 | data[at + 1]) + 8191
            at += 2
        for _ in range(length + 3):
            out.append(out[-distance - 1])
    return bytes(out)
