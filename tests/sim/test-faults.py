#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test-faults.py VSPHERE-SIM: every fault of the NFC side does what it says, and nothing else."""

import struct
import subprocess
import time

from clients import HostError, Login, Lost, ovdl, ovdl_close, ovdl_open
from simulator import SIM, Refused, Simulator, equal, expect, qemu_disk, content, refused
from tap import Failed, plan
from wire import Wire, message

MIB = 1 << 20
PATH = "[ds] a/a.vmdk"


class Host:
    """A simulator with one disk of 8 MiB, and fresh connections to it."""

    def __init__(self, folder, *arguments):
        (folder / "a").mkdir()
        disk = folder / "a/a.vmdk"
        qemu_disk(disk, 8 * MIB, writes=[(MIB, 6 * MIB, 7), (2 * MIB, 65536, 9)])
        self.wanted = content(disk)
        self.sim = Simulator("--datastore", f"ds={folder}", "--vm", f"a={PATH}", *arguments)

    def __enter__(self):
        self.sim.__enter__()
        return self

    def __exit__(self, *problem):
        self.sim.__exit__(*problem)

    def open(self):
        return ovdl_open(self.sim, self.sim.ticket("read", vm="a"), PATH, service="nfc")

    def check(self, aio, offset=MIB, length=4 * MIB, compression=0):
        equal(aio.read(offset, length, compression), self.wanted[offset:offset + length], "a read")
        return aio.fragments

    def is_well(self):
        aio = self.open()
        self.check(aio)
        ovdl_close(aio)


def off(folder):
    return Host(folder, "--powered-off")


def order_faults(folder):
    with off(folder) as host:
        host.sim.fault("reverse-fragments")
        places = [at for _, at, *_ in host.check(host.open())]
        equal(places, sorted(places, reverse=True), "the order of fragments")
        host.sim.fault("reverse-fragments", False)
        host.sim.fault("odd-fragments")
        fragments = host.check(host.open())
        expect(any(length % 512 for _, _, length, _ in fragments), "all are whole sectors")
        host.check(host.open(), compression=2)
        host.sim.fault("odd-fragments", None)
        host.sim.fault("skipz-raw-label")
        fragments = host.check(host.open(), compression=3)
        equal({code for *_, code in fragments}, {3}, "labels")
        host.sim.fault("skipz-raw-label", False)
        host.is_well()


def interleave(folder):
    with off(folder) as host:
        host.sim.fault("interleave")
        aio = host.open()
        ops = {aio.start_read(at, MIB): (at, MIB) for at in (MIB, 3 * MIB, 5 * MIB)}
        for op, data in aio.collect(ops).items():
            equal(data, host.wanted[ops[op][0]:][:MIB], "a read")
        switches = sum(a[0] != b[0] for a, b in zip(aio.fragments, aio.fragments[1:]))
        expect(switches >= 10, f"{switches} changes between reads")


def slow(folder):
    with off(folder) as host:
        aio = host.open()
        host.sim.fault("latency-ms", 60)
        began = time.monotonic()
        host.check(aio)
        spent = time.monotonic() - began
        expect(0.06 <= spent < 1.5, f"64 fragments took {spent:.3f} s: they must overlap")
        host.sim.fault("latency-ms", False)
        host.sim.fault("bandwidth", 8 * MIB)
        began = time.monotonic()
        host.check(aio)
        spent = time.monotonic() - began
        expect(0.4 < spent < 3, f"4 MiB at 8 MiB/s took {spent:.3f} s")


def cuts(folder):
    with off(folder) as host:
        host.sim.fault("drop-once", 100000)
        try:
            aio = host.open()
            host.check(aio)
            raise Failed("it was not cut")
        except Lost:
            pass
        host.is_well()
        for after in (0, 100, 264 + 10, 264 * 3 + 30, 264 * 3 + 32 + 5, 2 * MIB + 7):
            host.sim.fault("drop-after", after)
            try:
                host.check(host.open())
                raise Failed(f"it was not cut after {after}")
            except Lost:
                pass
        host.sim.fault("drop-after", False)
        host.is_well()


def errors(folder):
    with off(folder) as host:
        host.sim.fault("error-frame", 2)
        aio = host.open()
        host.check(aio)
        refused(lambda: host.check(aio), 6, "the second read")
        aio.frame()  # the reply of zeros
        host.check(aio)
        host.sim.fault("error-frame", False)
        host.sim.fault("memory-error", 2)
        for _ in range(2):
            try:
                host.check(aio)
                raise Failed("it had the memory")
            except HostError as error:
                equal((error.code, error.text), (5, "Failed to allocate the requested 4194328 bytes"),
                      "the refusal")
                aio.frame()
        host.check(aio)
        ovdl_close(aio)


def bad_answers(folder):
    with off(folder) as host:
        for name, value, meets in (("bad-magic", 7, "magic number"), ("fragment-outside", 2, "(")):
            host.sim.fault(name, value)
            try:
                host.check(host.open())
                raise Failed(f"{name} did nothing")
            except AssertionError as error:
                expect(meets in str(error), f"{name}: {error}")
            host.sim.fault(name, False)
        host.sim.fault("bad-status", 1)
        refused(lambda: host.check(host.open()), 6, "a status")
        host.sim.fault("bad-status", False)
        host.sim.fault("bad-length", 1)
        aio = host.open()
        aio.start_read(MIB, 4096)
        equal(struct.unpack_from("<I", aio.frame()[2], 36)[0], 1 << 31, "the trailer's length")
        host.sim.fault("bad-length", False)
        host.is_well()


def stall(folder):
    with off(folder) as host:
        host.sim.fault("stall", 8)
        aio = host.open()
        aio.wire.socket.settimeout(0.5)
        try:
            host.check(aio)
            raise Failed("it went on")
        except TimeoutError:
            pass
        host.sim.fault("stall", False)
        host.is_well()
        host.sim.fault("stall", 0)  # and it must end all the same


def handshake(folder):
    with off(folder) as host:
        host.sim.fault("late-36")
        login = Login(host.sim)
        login.say(f"SESSION {host.sim.ticket('system')}")
        login.proxy("nfc")
        login.wire.write(message(33))
        login.wire.socket.settimeout(0.3)
        try:
            login.wire.read(1)
            raise Failed("36 came before 51")
        except TimeoutError:
            pass
        login.wire.write(message(51, struct.pack("<I", 11)))
        equal([login.wire.read(264)[0] for _ in range(2)], [36, 51], "the answers")
        host.sim.fault("late-36", False)
        host.sim.fault("wrong-second-certificate")
        login = Login(host.sim)
        login.say(f"SESSION {host.sim.ticket('system')}")
        login.proxy("nfcssl")
        expect(login.second != login.first, "the same certificate")
        host.sim.fault("wrong-second-certificate", False)
        host.sim.fault("refuse-tickets")
        refused(host.open, 530, "a good ticket")
        host.sim.fault("refuse-tickets", False)
        host.is_well()


def running(folder):
    with Host(folder) as host:
        refused(host.open, 11, "the leaf of a running machine")
        host.sim.fault("running-leaf-refused", False)
        host.is_well()
        aio = ovdl(host.sim, host.sim.ticket("write", vm="a", key=2000))
        aio.prologue()
        refused(lambda: aio.open(PATH, 0x1a), 16392, "writing it")


def nonsense(folder):
    """No bytes of a client make the simulator fall over."""
    with off(folder) as host:
        for junk in (b"GET / HTTP/1.0\r\n\r\n", bytes(5000), b"\x16\x03\x01\xff\xff" + bytes(70000)):
            wire = Wire(host.sim.port)
            wire.line()
            try:
                wire.write(junk)
                while True:
                    wire.some(4096)
            except (Lost, OSError):
                pass
        for junk in (message(99), message(1, b"\xff" * 260), message(33, b"\xff" * 260),
                     message(54, b"\xff" * 8), message(23, struct.pack("<IQI", 0, 0, 1 << 31)),
                     message(52) + b"\xff" * 64):
            login = Login(host.sim)
            login.say(f"SESSION {host.sim.ticket('system')}")
            login.proxy("nfc")
            login.wire.write(junk)
            try:
                while True:
                    login.wire.some(4096)
            except Lost:
                pass
        host.is_well()


def command_line(folder):
    cases = [([], "--datastore is missing"), (["--datastore", "x"], "NAME=DIR"),
             (["--datastore", "x=/none"], "/none"), (["--profile", "9"], "expected 8, 7 or 6"),
             (["--fault", "no-such"], None), (["--bogus"], "is no option"),
             (["--datastore", f"ds={folder}", "--vm", "a=[ds] none.vmdk"], "none.vmdk"),
             (["--datastore", f"ds={folder}", "--fault", "no-such"], "no-such"),
             (["--datastore", f"ds={folder}", "--fault", "stall=x"], "number")]
    for arguments, says in cases:
        ran = subprocess.run([SIM, "--no-soap", *arguments], capture_output=True, text=True,
                             stdin=subprocess.DEVNULL, check=False)
        equal((ran.returncode, ran.stdout), (2, ""), f"{arguments}")
        equal(ran.stderr.count("\n"), 1, f"one sentence: {ran.stderr}")
        expect(says is None or says in ran.stderr, f"{arguments}: {ran.stderr}")
    told = subprocess.run([SIM, "--help"], capture_output=True, text=True, check=True).stdout
    expect("memory-error" in told and "--workload" in told, told)
    with off(folder) as host:
        try:
            host.sim.fault("no-such")
            raise Failed("a fault nobody knows")
        except Refused as error:
            equal(error.fault, "InvalidArgument", "the fault")


def no_secrets(folder):
    with Host(folder, "--powered-off", "--verbose", "--password", "very secret") as host:
        used = [host.sim.ticket("read", vm="a") for _ in range(2)]
        ovdl_close(ovdl_open(host.sim, used[0], PATH))
        for ticket in used[:1]:
            refused(lambda: ovdl(host.sim, ticket), 530, "a used ticket")
        host.sim.process.stdin.close()
        said = host.sim.process.stderr.read()
        host.sim.process.stdin = None
        expect(said, "--verbose says nothing")
        expect(not any(secret in said for secret in (*used, "very secret")), said)


with plan() as tap:
    tap.case("the order and the form of fragments", order_faults)
    tap.case("fragments of several reads take turns", interleave)
    tap.case("latency and bandwidth", slow)
    tap.case("connections cut anywhere", cuts)
    tap.case("error frames and memory errors", errors)
    tap.case("answers that break the protocol", bad_answers)
    tap.case("a host that falls silent", stall)
    tap.case("the handshake", handshake)
    tap.case("the leaf of a running machine", running)
    tap.case("nonsense from clients", nonsense)
    tap.case("the command line", command_line)
    tap.case("nothing secret is said", no_secrets)
