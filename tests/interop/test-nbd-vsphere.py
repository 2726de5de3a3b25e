#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Disks of virtual machines as network block devices: nbdcopy, nbdinfo, qemu-img, qemu-io and libnbd's
Python module read and write what `vdisk serve vsphere://...` serves from vsphere-sim.

    test-nbd-vsphere.py VDISK VSPHERE_SIM
"""

import errno
import os
import random
import signal
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
from programs import VDISK, good, need, run, vdisk, vdisk_map
from served import (PLUGIN, environment, in_background, sanitizer, served_bytes, served_map, serving,
                    told_map)
from simulated import MIB, SIZE, Simulator
from tap import Failed, equal, expect, memory, plan

SIM = os.path.realpath(sys.argv[2])


def simulated(folder, *options):
    place = folder / "sim"
    place.mkdir()
    return Simulator(SIM, place, *options)


def disk_of(sim, number=1, query=""):
    return f"{sim.url}/web/{number}{query}"


# Reading.

def reads(folder, *options, query=""):
    with simulated(folder, "--powered-off", *options) as sim:
        with serving(folder, disk_of(sim, query=query)) as server:
            expect(served_bytes(server.uri) == sim.data, "nbdcopy reads something else")
            equal(sim.held(), "--esxi" not in options, "the machine is held")
            good("qemu-img", "compare", "-f", "raw", "-F", "raw", sim.folder / "guest", server.uri)
            told = run("nbdinfo", "--size", server.uri)
            equal(told.out.decode().strip(), str(SIZE), "size")
            for what in ("write", "trim", "cache"):
                expect(run("nbdinfo", "--can", what, server.uri).code != 0, f"it can {what}")
            for what in ("flush", "multi-conn"):
                expect(run("nbdinfo", "--can", what, server.uri).code == 0, f"it cannot {what}")
        sim.is_as_before()


def maps(folder):
    with simulated(folder, "--powered-off") as sim:
        with serving(folder, disk_of(sim)) as server:
            equal(served_map(server.uri), told_map(vdisk_map(disk_of(sim))), "map")
            expect(len(served_map(server.uri)) > 3, "the map knows no holes")
            handle = nbd.NBD()
            handle.add_meta_context("base:allocation")
            handle.connect_uri(server.uri)
            found = []
            handle.block_status(3 * MIB - 1000, SIZE - 3 * MIB,
                                lambda _, at, entries, __: found.append((at, entries)) or 0)
            expect(found and sum(found[0][1][::2]) >= MIB, f"block status: {found}")
            handle.shutdown()


def read_at_random(uri, data, seed, trouble):
    try:
        dice = random.Random(seed)
        handle = nbd.NBD()
        handle.connect_uri(uri)
        for _ in range(60):
            at = dice.randrange(SIZE)
            length = min(dice.choice((1, 511, 512, 4096, 70000, 3 * MIB)), SIZE - at)
            if handle.pread(length, at) != data[at:at + length]:
                trouble.append(f"wrong bytes at {at}, {length} long")
        handle.shutdown()
    except Exception as error:  # told by the main thread
        trouble.append(str(error))


def many_readers(folder):
    """As fio's jobs would: eight clients, each with its own connection, all over the disk."""
    with simulated(folder, "--powered-off", "--fault", "latency-ms=2") as sim:
        with serving(folder, disk_of(sim)) as server:
            trouble = []
            threads = [threading.Thread(target=read_at_random,
                                        args=(server.uri, sim.data, seed, trouble))
                       for seed in range(8)]
            copies = [subprocess.Popen(["nbdcopy", "--connections=4", server.uri, "null:"])
                      for _ in range(2)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            equal([copy.wait(60) for copy in copies], [0, 0], "exits of nbdcopy")
            equal(trouble, [], "what readers met")


def snapshot_of_a_running_machine(folder):
    with simulated(folder, "--workload") as sim:
        refused = run(VDISK, "serve", disk_of(sim), "--run", "true")
        equal(refused.code, 2, "exit status")
        expect("'web' is running, so its disks can be opened only as a snapshot" in refused.err,
               refused.err)
        equal(len(refused.err.splitlines()), 1, "lines of it")
        vdisk("vm", "snapshot", "create", f"{sim.url}/web", "frozen")
        with serving(folder, disk_of(sim, query="?snapshot=frozen")) as server:
            first = served_bytes(server.uri)
            time.sleep(0.5)
            expect(served_bytes(server.uri) == first, "a snapshot changes")
            expect(first[:8 * MIB] == sim.data[:8 * MIB], "it has other content")
        refused = run(VDISK, "serve", "--writable", disk_of(sim, query="?snapshot=frozen"))
        expect(refused.code == 2 and "a snapshot is not written to" in refused.err, str(refused))
        sim.is_as_before()


# Writing.

def writes(folder, *options, query=""):
    dice = random.Random(3)
    with simulated(folder, "--powered-off", *options) as sim:
        wanted = bytearray(sim.data)
        with serving(folder, disk_of(sim, query=query), "--writable") as server:
            handle = nbd.NBD()
            handle.connect_uri(server.uri)
            expect(not handle.can_trim(), "it can trim")
            expect(handle.can_zero() and handle.can_flush() and handle.can_fua(), "it cannot zero")
            for _ in range(80):
                at = dice.randrange(SIZE)
                length = min(dice.choice((1, 100, 512, 70000, 2 * MIB)), SIZE - at)
                change = dice.randbytes(length)
                handle.pwrite(change, at, dice.choice((0, nbd.CMD_FLAG_FUA)))
                wanted[at:at + length] = change
            for flags in (0, nbd.CMD_FLAG_NO_HOLE):
                handle.zero(3 * MIB + 13, 5 * MIB + 100, flags)
                wanted[5 * MIB + 100:8 * MIB + 113] = bytes(3 * MIB + 13)
            handle.flush()
            expect(handle.pread(SIZE // 2, 0) == wanted[:SIZE // 2], "it reads something else")
            handle.shutdown()
            expect(served_bytes(server.uri) == wanted, "nbdcopy reads something else")
        sim.is_as_before()
        (folder / "wanted").write_bytes(wanted)
        vdisk("compare", disk_of(sim, query=query), folder / "wanted")


def copies_onto(folder):
    new = random.Random(4).randbytes(5 * MIB) + bytes(SIZE - 5 * MIB)
    (folder / "new").write_bytes(new)
    with simulated(folder, "--powered-off") as sim:
        with serving(folder, disk_of(sim), "--writable") as server:
            good("nbdcopy", folder / "new", server.uri)
            expect(served_bytes(server.uri) == new, "nbdcopy did not copy it")
            good("qemu-img", "convert", "-n", "-f", "raw", "-O", "raw", sim.folder / "guest",
                 server.uri)
            expect(served_bytes(server.uri) == sim.data, "qemu-img did not copy it")
            good("qemu-io", "-f", "raw", "-c", "write -P 7 65537 1000", "-c", "flush", "-c",
                 "read -P 7 65537 1000", server.uri)
        equal(run(VDISK, "read", "--offset", 65537, "--length", 1000, disk_of(sim)).out, b"\7" * 1000,
              "what was written")


# The end, and what goes wrong.

def ran_with(sim, command):
    """`vdisk serve` for as long as the command runs."""
    return subprocess.run([VDISK, "serve", disk_of(sim), "--run", command], env=environment(), check=False,
                          text=True, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)


def ends_with_its_command(folder):
    with simulated(folder, "--powered-off") as sim:
        for command, code in (('nbdinfo "$uri"', 0), ("exit 3", 3)):
            equal(ran_with(sim, command).returncode, code, command)
            sim.is_as_before()


def ends_by_a_signal(folder):
    with simulated(folder, "--powered-off") as sim:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            with serving(folder, disk_of(sim)) as server:
                handle = nbd.NBD()
                handle.connect_uri(server.uri)
                handle.pread(512, 0)
                equal(server.stop(number), "", "what the server said")
            sim.is_as_before()


def everything_it_shows(process):
    """The command lines and environments of a process and all below it."""
    found = b""
    with open(f"/proc/{process}/task/{process}/children", encoding="ascii") as file:
        for number in file.read().split():
            found += everything_it_shows(int(number))
    for name in ("cmdline", "environ"):
        with open(f"/proc/{process}/{name}", "rb") as file:
            found += file.read()
    return found


def secrets(folder):
    with simulated(folder, "--powered-off") as sim:
        del os.environ["VDISK_PASSWORD"]
        secret = folder / "secret"
        secret.write_text(sim.password + "\n")
        secret.chmod(0o600)
        with serving(folder, disk_of(sim), "--password-file", secret) as server:
            expect(sim.password.encode() not in everything_it_shows(server.process.pid),
                   "the password can be seen")
            expect(served_bytes(server.uri) == sim.data, "it reads something else")
        read, write = os.pipe()
        os.write(write, sim.password.encode() + b"\n")
        os.close(write)
        result = subprocess.run([VDISK, "serve", "--password-fd", str(read), disk_of(sim), "--run",
                                 'nbdinfo "$uri"'],
                                pass_fds=[read], env=environment(), check=False, text=True,
                                stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
        os.close(read)
        equal(result.returncode, 0, f"exit status: {result.stderr}")
        expect(sim.password not in result.stdout + result.stderr, "the password was told")
        os.environ["VDISK_PASSWORD"] = sim.password
        result = ran_with(sim, "env; echo done")
        expect("done" in result.stdout and sim.password not in result.stdout,
               "the command is told the password")


def a_session_of_the_callers(folder):
    with simulated(folder, "--powered-off") as sim:
        del os.environ["VDISK_PASSWORD"]
        (folder / "cookie").write_text(sim.client.cookie + "\n")
        (folder / "cookie").chmod(0o600)
        with serving(folder, disk_of(sim), "--session-file", "cookie") as server:
            expect(served_bytes(server.uri) == sim.data, "it reads something else")
        reading, writing = os.pipe()  # as from <(...): it can be read once
        os.write(writing, (sim.client.cookie + "\n").encode())
        os.close(writing)
        cookie = f"/proc/{os.getpid()}/fd/{reading}"
        with serving(folder, disk_of(sim), "--session-file", cookie) as server:
            expect(served_bytes(server.uri) == sim.data, "it reads something else")
        os.close(reading)
        sim.is_as_before()  # with the client's own session, which is still good


def served_twice(folder):
    """Who ends first does not let go of the machine under the other."""
    first, second = folder / "first", folder / "second"
    first.mkdir()
    second.mkdir()
    with simulated(folder, "--powered-off") as sim:
        with serving(first, disk_of(sim)) as server:
            with serving(second, disk_of(sim, 2)) as other:
                good("nbdinfo", "--size", other.uri)  # it has connected
                server.stop()
                equal(sim.held(), True, "the machine is held by the second")
        sim.is_as_before()
        with serving(first, disk_of(sim)) as server:
            good("nbdinfo", "--size", server.uri)
            with serving(second, disk_of(sim)) as other:
                good("nbdinfo", "--size", other.uri)
            equal(sim.held(), True, "the machine is held by the first")
        sim.is_as_before()


def held_without_an_answer(folder):
    """The server has done it, but cannot tell."""
    with simulated(folder, "--powered-off", "--fault", "http-cut-once=DisableMethods") as sim:
        with serving(folder, disk_of(sim), quiet=False) as server:
            good("nbdinfo", "--size", server.uri)  # it has connected
            sim.client.call("DisableMethods", sim.client.content["authorizationManager"],
                            f'<entity type="VirtualMachine">{sim.ready["vms"][0]["moref"]}</entity>'
                            "<method><method>RelocateVM_Task</method><reasonId>test</reasonId></method>"
                            f"<sourceId>virtual-disks on {os.uname().nodename}</sourceId>",
                            space="urn:internalvim25")
            expect("a vCenter may move" in server.stop(), "nothing is said")
        sim.is_as_before()


def trust(folder):
    with simulated(folder, "--powered-off") as sim:
        right = os.environ.pop("VDISK_THUMBPRINT")
        with serving(folder, disk_of(sim), "--thumbprint", right) as server:
            expect(served_bytes(server.uri) == sim.data, "it reads something else")
        with serving(folder, disk_of(sim, query=f"?thumbprint={right}")) as server:
            expect(served_bytes(server.uri) == sim.data, "it reads something else")
        for words in (["--thumbprint", "AB" * 20], []):
            result = run(VDISK, "serve", *words, disk_of(sim), "--run", "true")
            equal(result.code, 2, "exit status")
            expect("is not trusted" in result.err, result.err)
            equal(len(result.err.splitlines()), 1, f"lines of it: {result.err}")


def refusals(folder):
    with simulated(folder, "--powered-off") as sim:
        cases = [
            ([disk_of(sim, 7)], "'web' has no disk '7'"),
            ([f"{sim.url}/nix/1"], "has no VM 'nix'"),
            (["vsphere://h/web"], "no user for 'h'"),
            (["vsphere://root:x@h/web"], "a password does not belong in a URL"),
            (["vsphere://root@127.0.0.1:1/web"], "refused"),
        ]
        for words, sentence in cases:
            result = run(VDISK, "serve", *words, "--run", "true")
            equal(result.code, 2, f"exit status of {words}")
            expect(sentence in result.err, result.err)
            equal(len(result.err.splitlines()), 1, f"lines of it: {result.err}")
        os.environ["VDISK_PASSWORD"] = "wrong"
        result = run(VDISK, "serve", disk_of(sim), "--run", "true")
        equal(result.code, 2, "exit status")
        expect("the password is wrong" in result.err, result.err)
        sim.is_as_before()


def a_lost_connection_is_mended(folder):
    with simulated(folder, "--powered-off") as sim:
        with serving(folder, disk_of(sim), quiet=False) as server:
            handle = nbd.NBD()
            handle.connect_uri(server.uri)
            for _ in range(3):
                sim.fault("drop-once", MIB)
                expect(handle.pread(8 * MIB, 12 * MIB) == sim.data[12 * MIB:20 * MIB],
                       "it reads something else")
            handle.shutdown()
        sim.is_as_before()


def the_server_goes_away(folder):
    with simulated(folder, "--powered-off") as sim:
        with serving(folder, disk_of(sim), "--writable", quiet=False) as server:
            handle = nbd.NBD()
            handle.connect_uri(server.uri)
            handle.pread(4096, 0)
            sim.stop()
            for request in (lambda: handle.pread(4096, 12 * MIB),
                            lambda: handle.pwrite(bytes(4096), 0),
                            lambda: handle.pread(512, 0)):
                try:
                    request()
                except nbd.Error as error:
                    equal(error.errnum, errno.EIO, "error of a request")
                    continue
                raise Failed("a request is answered by a server that is gone")
            began = time.monotonic()
            server.process.send_signal(signal.SIGTERM)
            server.process.wait(60)
            expect(time.monotonic() - began < 30, "the server takes long to end")
            said = (folder / "server.err").read_text()
            expect("web.vmdk" in said and sim.password not in said, f"it said: {said[:600]}")


def the_host_falls_silent(folder):
    with simulated(folder, "--powered-off") as sim:
        with serving(folder, disk_of(sim), quiet=False) as server:
            handle = nbd.NBD()
            handle.connect_uri(server.uri)
            handle.pread(4096, 0)
            sim.fault("stall", 1)
            handle.aio_pread(nbd.Buffer(MIB), 12 * MIB)
            handle.poll(200)
            began = time.monotonic()
            server.process.send_signal(signal.SIGTERM)
            server.process.wait(60)
            expect(time.monotonic() - began < 30, "the server takes long to end")
            equal(server.process.returncode, 0, "exit status")
        sim.is_as_before()


# The plugin alone.

def nbdkit(folder, *words, **options):
    return subprocess.run(["nbdkit", "-U", "-", PLUGIN, *map(str, words)], cwd=folder,
                          env={**environment(), **options}, capture_output=True, text=True, timeout=120,
                          check=False)


def plugin_alone(folder):
    with simulated(folder, "--powered-off") as sim:
        del os.environ["VDISK_PASSWORD"]
        (folder / "secret").write_text(sim.password + "\n")
        (folder / "secret").chmod(0o600)
        copy = 'nbdcopy "$uri" - | cmp - sim/guest'
        for words in (["password-file=secret", disk_of(sim)],
                      [f"url={disk_of(sim)}", "password-file=secret"],
                      [f"url={disk_of(sim)}?thumbprint={os.environ['VDISK_THUMBPRINT']}",
                       "password-file=secret"]):
            result = nbdkit(folder, *words, "--run", copy)
            equal(result.returncode, 0, f"exit status of {words}: {result.stderr}")
            sim.is_as_before()
        result = nbdkit(folder, disk_of(sim), "--run", copy, VDISK_PASSWORD=sim.password)
        equal(result.returncode, 0, f"exit status: {result.stderr}")
        result = nbdkit(folder, disk_of(sim), "--run", "true", VDISK_PASSWORD="wrong")
        expect("the password is wrong" in result.stderr, result.stderr)
        sim.is_as_before()


def plugin_in_background(folder):
    """It forks, and goes to another folder, before it connects."""
    with simulated(folder, "--powered-off") as sim:
        (folder / "authority").write_bytes(
            good("openssl", "s_client", "-connect", f"127.0.0.1:{sim.port}").out)
        del os.environ["VDISK_THUMBPRINT"]
        socket, process = in_background(folder, disk_of(sim, query="?ca=authority"))
        try:
            expect(served_bytes(f"nbd+unix:///?socket={socket}") == sim.data, "it reads something else")
        finally:
            os.kill(process, signal.SIGTERM)
        end = time.monotonic() + 30
        while os.path.exists(f"/proc/{process}") and time.monotonic() < end:
            time.sleep(0.05)
        expect(not os.path.exists(f"/proc/{process}"), "nbdkit does not end")
        sim.is_as_before()


def plugin_parameters(folder):
    url = "vsphere://root@127.0.0.1:1/web"
    (folder / "d.raw").write_bytes(bytes(512))
    cases = [
        ([url, f"url={url}"], "url= is given twice"),
        ([url, "file=d.raw"], "two disks are named, expected one"),
        (["d.raw", "password-file=d.raw"], "are for a disk of a server (url=)"),
        (["url=nonsense", "password-file=d.raw"], "is no vsphere:// URL"),
        ([url], "no password for 'root' at '127.0.0.1'"),
        ([url, "password-file=missing"], "cannot open 'missing'"),
        ([url, "session-file=missing"], "cannot open 'missing'"),
        ([url, "password-fd=77"], "descriptor 77"),
        ([url, "session-fd=78"], "descriptor 78"),
        ([url, "password-fd=x"], "password-fd: "),
        (["vsphere://127.0.0.1:1/web", "password-file=d.raw"], "no user for '127.0.0.1'"),
        ([url + "?ca=missing.pem"], "missing.pem"),
        ([url + "?insecure=1", "thumbprint=AA", "password-fd=0"], "descriptor 0 is empty"),
    ]
    for words, sentence in cases:
        result = subprocess.run(["nbdkit", "-U", "-", PLUGIN, *words, "--run", "true"], cwd=folder,
                                env=environment(), capture_output=True, text=True, timeout=60,
                                stdin=subprocess.DEVNULL, check=False)
        equal(result.returncode, 1, f"exit status of {words}: {result.stderr}")
        expect(sentence in result.stderr, f"{words}: {result.stderr}")


def plugin_is_ended_while_it_connects(folder):
    """end-fd counts although the server says nothing yet."""
    far = subprocess.Popen([sys.executable, programs.HERE.parent / "cli" / "far-end.py"],
                           stdout=subprocess.PIPE, text=True)
    try:
        port = int(far.stdout.readline())
        read, write = os.pipe()
        server = subprocess.Popen(
            ["nbdkit", "-f", "-U", folder / "s", PLUGIN, f"vsphere://root@127.0.0.1:{port}/web",
             f"end-fd={read}"], pass_fds=[read], stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True, env={**environment(), "VDISK_PASSWORD": "x"})
        os.close(read)
        time.sleep(1)
        equal(server.poll(), None, "exit status before its end")
        began = time.monotonic()
        os.close(write)
        equal(server.wait(60), 0, f"exit status; it said {server.stderr.read()}")
        expect(time.monotonic() - began < 5, "it takes long to end")
        server.stderr.close()
    finally:
        far.kill()
        far.wait()
        far.stdout.close()


def main():
    need("nbdkit", "nbdcopy", "nbdinfo", "qemu-img", "qemu-io", "openssl")
    with plan(memory()) as tap:
        if programs.SANITIZED and not sanitizer():
            tap.skip("everything", "nbdkit cannot load a sanitizer that is linked statically")
            return
        tap.case("a disk is read", reads)
        tap.case("a disk is read in the clear", reads, query="?transport=nbd")
        tap.case("a disk is read packed", reads, query="?compression=fastlz")
        tap.case("a host of release 7 is read", reads, "--profile", "7")
        tap.case("a host without a vCenter is read", reads, "--esxi")
        tap.case("a disk is written", writes)
        tap.case("a disk is written on a host without a vCenter", writes, "--esxi",
                 query="?compression=zlib")
        for body in (maps, many_readers, snapshot_of_a_running_machine, copies_onto,
                     ends_with_its_command, ends_by_a_signal, secrets, a_session_of_the_callers,
                     served_twice, held_without_an_answer, trust, refusals,
                     a_lost_connection_is_mended, the_server_goes_away,
                     the_host_falls_silent, plugin_alone, plugin_in_background, plugin_parameters,
                     plugin_is_ended_while_it_connects):
            tap.case(body.__name__.replace("_", " "), body)


if __name__ == "__main__":
    main()
