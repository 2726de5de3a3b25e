# SPDX-License-Identifier: Apache-2.0
"""vsphere-sim as a test starts it, and the disks it is given."""

import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "interop"))
from tap import Failed, equal, expect  # noqa: E402

SIM = str(Path(sys.argv[1]).resolve())
AREA_MAX = 64 << 20
MASK = (1 << 64) - 1


class Simulator:
    def __init__(self, *arguments):
        self.process = subprocess.Popen([SIM, "--no-soap", *map(str, arguments)], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE)
        line = self.process.stdout.readline()
        if not line:
            raise Failed(f"no ready line; stderr: {self.process.communicate()[1]}")
        self.ready = json.loads(line)
        self.port = self.ready["nfcPort"]

    def ask(self, **request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if "error" in answer:
            raise Refused(answer["error"]["fault"], answer["error"]["message"])
        return answer

    def fault(self, name, value=True):
        self.ask(fault=name, value=value)

    def ticket(self, kind, **scope):
        return self.ask(op="ticket", kind=kind, **scope)["sessionId"]

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        try:
            _, said = self.process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise Failed("the simulator does not end when its input closes")
        if kind is None:
            equal(self.process.returncode, 0, f"exit status; it said: {said}")


class Refused(Exception):
    def __init__(self, fault, message):
        super().__init__(f"{fault}: {message}")
        self.fault = fault


def qemu_disk(path, size, *options, writes=()):
    """A VMDK by qemu-img; writes are (offset, length, pattern)."""
    subprocess.run(["qemu-img", "create", "-q", "-f", "vmdk", *options, str(path), str(size)],
                   check=True)
    for offset, length, pattern in writes:
        subprocess.run(["qemu-io", "-f", "vmdk", "-c", f"write -q -P {pattern} {offset} {length}",
                        str(path)], check=True, stdout=subprocess.DEVNULL)


def content(path):
    """What qemu-img reads from a disk."""
    raw = Path(str(path) + ".raw")
    subprocess.run(["qemu-img", "convert", "-f", "vmdk", "-O", "raw", str(path), str(raw)],
                   check=True)
    data = raw.read_bytes()
    raw.unlink()
    return data


def refused(body, code, what):
    """The body is refused with this code."""
    try:
        body()
    except Exception as error:  # Error frames and refusals carry a code
        equal(getattr(error, "code", repr(error)), code, what)
        return
    raise Failed(f"{what}: was not refused")


def mix(state):
    z = (state + 0x9e3779b97f4a7c15) & MASK
    z = ((z ^ (z >> 30)) * 0xbf58476d1ce4e5b9) & MASK
    z = ((z ^ (z >> 27)) * 0x94d049bb133111eb) & MASK
    return z ^ (z >> 31)


def workload(size, seed, key, first, last):
    """(offset, bytes) of the writes first..last-1, by the rule in sim/workload.h."""
    area = min(size // 4 // 4096 * 4096, AREA_MAX) // 512
    for number in range(first, last):
        x = mix((seed ^ key << 32 ^ number) & MASK)
        sectors = 8 * (1 + (x >> 40 & 15))
        start = size // 512 - area + 8 * (x % (area // 8 - 16))
        data = b"".join(mix((x + i) & MASK).to_bytes(8, "little") * 64 for i in range(sectors))
        yield start * 512, data


def replay(data, writes):
    for offset, piece in writes:
        data[offset:offset + len(piece)] = piece


__all__ = ["Failed", "Refused", "Simulator", "content", "equal", "expect", "qemu_disk", "refused",
           "replay", "workload"]
