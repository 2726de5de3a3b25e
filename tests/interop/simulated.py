# SPDX-License-Identifier: Apache-2.0
"""vsphere-sim with a machine of two disks, and a client that looks into what it tells."""

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

from programs import vdisk
from tap import Failed, equal

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "sim"))
from soap_client import Client  # noqa: E402

USER = "administrator@vsphere.local"
MIB = 1 << 20
SIZE = 24 * MIB


def content():
    """Noise with holes of several sizes."""
    noise = random.Random(11)
    data = bytearray(SIZE)
    data[0:3 * MIB] = noise.randbytes(3 * MIB)
    data[8 * MIB + 65536:8 * MIB + 2 * 65536] = noise.randbytes(65536)
    data[12 * MIB:20 * MIB] = noise.randbytes(8 * MIB)
    data[SIZE - 512:] = noise.randbytes(512)
    return bytes(data)


class Simulator:
    """Its disks are web.vmdk, of `content`, and a small empty one."""

    def __init__(self, simulator, folder, *options):
        self.folder = folder
        self.data = content()
        store = folder / "ds1" / "web"
        store.mkdir(parents=True)
        (folder / "guest").write_bytes(self.data)
        vdisk("convert", "-O", "vmfsThin", folder / "guest", store / "web.vmdk")
        vdisk("create", "-t", "vmfsThin", "-s", "4M", store / "data.vmdk")
        self.process = subprocess.Popen(
            [str(simulator), "--datastore", f"ds1={folder / 'ds1'}", "--vm",
             "web=[ds1] web/web.vmdk,[ds1] web/data.vmdk", *options],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not line:
            raise Failed("the simulator does not start")
        self.ready = json.loads(line)
        self.port, self.password = self.ready["port"], self.ready["password"]
        self.url = f"vsphere://{USER}@127.0.0.1:{self.port}"
        os.environ["VDISK_PASSWORD"] = self.password
        os.environ["VDISK_THUMBPRINT"] = self.ready["thumbprintSha256"]
        self.client = Client(self.port)
        self.client.login(USER, self.password)
        self.before = self.sessions()

    def fault(self, name, value=True):
        self.process.stdin.write(json.dumps({"fault": name, "value": value}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if "error" in answer:
            raise Failed(str(answer))

    def sessions(self):
        return len(self.client.prop(self.client.content["sessionManager"], "sessionList"))

    def held(self):
        """Is the machine kept from being moved?"""
        methods = self.client.prop("VirtualMachine:" + self.ready["vms"][0]["moref"], "disabledMethod")
        return methods is not None and any(e.text == "RelocateVM_Task" for e in methods)

    def is_as_before(self):
        equal(self.sessions(), self.before, "sessions")
        equal(self.held(), False, "the machine is held")

    def stop(self):
        """At once, with its SOAP half, as a power cut would."""
        number = self.process.pid
        children = Path(f"/proc/{number}/task/{number}/children").read_text(encoding="ascii")
        for process in (number, *map(int, children.split())):
            os.kill(process, signal.SIGKILL)
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.stdin.close()
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.stdout.close()
        for name in ("VDISK_PASSWORD", "VDISK_THUMBPRINT"):
            os.environ.pop(name, None)
