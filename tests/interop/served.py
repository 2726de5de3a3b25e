# SPDX-License-Identifier: Apache-2.0
"""Disks served by `vdisk serve`, and by nbdkit with the plugin alone; and what is served, asked."""

import json
import os
import re
import signal
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

from programs import SANITIZED, VDISK, good
from tap import Failed, equal, expect

PLUGIN = Path(VDISK).parent.parent / "nbdkit" / "nbdkit-vdisk-plugin.so"


def sanitizer():
    """What a program that was not built for it must load first; "" where nothing."""
    found = re.search(r"=> (\S*libasan\S*)", good("ldd", PLUGIN).out.decode())
    return found.group(1) if found else ""


def environment():
    """nbdkit lets nothing leak of its own, but what stays of other libraries is not ours to judge.
    Nor is how a thread of a program without the sanitizer ends: taking its signal stack back, the
    sanitizer finds what it wrote itself on that thread's stack."""
    if not SANITIZED:
        return dict(os.environ)
    options = os.environ["ASAN_OPTIONS"] + ":detect_leaks=0:use_sigaltstack=0"
    return dict(os.environ, LD_PRELOAD=sanitizer(), ASAN_OPTIONS=options)


class Server:
    def __init__(self, folder, process, socket):
        self.folder, self.process, self.socket = folder, process, socket
        self.uri = f"nbd+unix:///?socket={socket}"

    def ends(self, wanted=0):
        try:
            code = self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise Failed("the server does not end") from None
        said = (self.folder / "server.err").read_text(errors="replace")
        equal(code, wanted, f"exit status of the server, which said: {said[:600]}")
        return said

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        said = self.ends()
        expect(not self.socket.exists(), "the socket is left behind")
        return said


def wait_for_line(ready, is_over=lambda: False):
    """Until `ready`, a file, has one: nbdkit writes its number when it serves, in the background
    behind its parent's back. Whether it came."""
    end = time.monotonic() + 60
    while not (ready.exists() and ready.read_text().endswith("\n")):
        if is_over() or time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


def in_background(folder, *words):
    """nbdkit with the plugin alone, in the background: its socket and its process."""
    socket, ready = folder / "s", folder / "ready"
    subprocess.run(["nbdkit", "-U", socket, "-P", ready, PLUGIN, *words], cwd=folder,
                   env=environment(), check=True, timeout=60)
    expect(wait_for_line(ready), "nbdkit did not write its number")
    return socket, int(ready.read_text())


def started(folder, argv, ready):
    """Runs the server until `ready`, a file, has content."""
    with open(folder / "server.err", "wb") as err:
        process = subprocess.Popen([str(word) for word in argv], stdin=subprocess.DEVNULL,
                                   stdout=err, stderr=err, env=environment(), cwd=folder)
    if not wait_for_line(ready, lambda: process.poll() is not None):
        process.kill()
        process.wait()
        said = (folder / "server.err").read_text(errors="replace")
        raise Failed(f"`{' '.join(map(str, argv))}` does not serve: {said[:600]}")
    return process


@contextmanager
def serving(folder, disk, *options, quiet=True):
    """`vdisk serve`; ended by SIGTERM unless the body has ended it."""
    socket, ready = folder / "s", folder / "ready"
    process = started(folder, [VDISK, "serve", "-U", socket, "--pidfile", ready, *options, disk],
                      ready)
    server = Server(folder, process, socket)
    try:
        yield server
    except BaseException:
        process.kill()
        process.wait()
        socket.unlink(missing_ok=True)
        raise
    if process.returncode is None:
        said = server.stop()
        expect(not quiet or said == "", f"the server said: {said[:600]}")
    expect(not ready.exists(), "the process ID is left behind")


# What clients see.

HOLE, ZERO = 1, 2


def served_map(uri):
    """(offset, length, type) of each run, as nbdinfo tells them."""
    told = json.loads(good("nbdinfo", "--map", "--json", uri).out)
    return joined_runs((run["offset"], run["length"], run["type"]) for run in told)


def told_map(map_json):
    """The same of what `vdisk map` tells."""
    kinds = {"data": 0, "zero": ZERO, "absent": HOLE | ZERO}
    return joined_runs((run["start"], run["length"], kinds[run["kind"]])
                       for run in map_json["runs"])


def joined_runs(runs):
    whole = []
    for start, length, kind in runs:
        if whole and whole[-1][2] == kind:
            whole[-1][1] += length
        else:
            whole.append([start, length, kind])
    return whole


def served_bytes(uri, connections=4):
    """All of it, through a pipe."""
    return good("nbdcopy", f"--connections={connections}", uri, "-").out
