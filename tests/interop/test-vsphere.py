#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test-vsphere.py VSPHERE_PEER SIMULATOR: the SOAP client against govmomi's vcsim. Speaks TAP.

Starts the simulator's SOAP half, answers its questions about disks (a thin one of 64 MiB, and what
becomes of it) as the half that owns the disks would, and lets vsphere-peer go through everything,
as a vCenter and as a host. Its report is repeated with the kind of server before each line.
"""
import hashlib
import json
import os
import socket
import ssl
import subprocess
import sys
import tempfile
import threading

USER = "administrator@vsphere.local"
PASSWORD = "p&ss<word>\"'"
CAPACITY = 64 << 20
TRACKING = "52 00 00 00 00 00 00 00-00 00 00 00 00 00 00 01"


class Owner:
    """Answers the control channel: one VM with one disk and at most a few snapshots."""

    def __init__(self, channel):
        self.channel = channel
        self.links = ["[ds1] web/web.vmdk"]
        self.counter = 1
        self.files = set()
        self.tickets = 0
        self.asked = []

    def disk(self):
        return {"key": 2000, "label": "Hard disk 1", "capacityBytes": CAPACITY, "thin": True,
                "uuid": "6000C29e-0000-0000-0000-000000000001", "adapter": "lsilogic", "unit": 0,
                "chain": self.links, "changeId": f"{TRACKING}/{self.counter}"}

    def answer(self, ask):
        op = ask["op"]
        self.asked.append(op)
        if op == "ticket":
            self.tickets += 1
            return {"sessionId": f"52000000-0000-0000-0000-{self.tickets:012}",
                    "host": "127.0.0.1", "port": 1902, "service": "vpxa-nfc"}
        if op == "changed":
            half = CAPACITY // 2
            return {"start": ask["start"], "length": half,
                    "areas": [[ask["start"] + 65536, 65536], [ask["start"] + 262144, 131072]]}
        if op == "createDisk":
            if ask["path"] in self.files:
                return {"error": {"fault": "FileAlreadyExists", "message": "it exists"}}
            self.files.add(ask["path"])
        if op == "snapshotCreate":
            self.counter += 1
            self.links = [f"[ds1] web/web-{self.counter:06}.vmdk"] + self.links
        if op == "snapshotRemove":
            self.links = self.links[1:]
        return {"disks": [self.disk()], "uuid": "60 00 C2 9e", "capacityBytes": 4 << 20}

    def run(self):
        for line in self.channel.makefile("r", encoding="utf-8"):
            ask = json.loads(line)
            if "id" in ask:
                said = json.dumps({"id": ask["id"], **self.answer(ask)}) + "\n"
                self.channel.sendall(said.encode())


def make_certificate(folder):
    names = os.path.join(folder, "c.pem"), os.path.join(folder, "k.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", names[1],
                    "-out", names[0], "-days", "2", "-subj", "/CN=localhost", "-addext",
                    "subjectAltName=DNS:localhost,IP:127.0.0.1"], check=True, capture_output=True)
    with open(names[0], encoding="ascii") as file:
        der = ssl.PEM_cert_to_DER_cert(file.read())
    sha1 = hashlib.sha1(der).hexdigest().upper()
    return names, ":".join(sha1[i:i + 2] for i in range(0, 40, 2))


def configuration(folder, esxi, disk):
    names, thumbprint = make_certificate(folder)
    os.mkdir(os.path.join(folder, "ds1"))
    return {"esxi": esxi, "profile": 8, "listen": "127.0.0.1:0", "cert": names[0], "key": names[1],
            "user": USER, "password": PASSWORD, "nfcHost": "127.0.0.1", "nfcPort": 1902,
            "thumbprint": thumbprint, "thumbprintSha256": "",
            "datastores": [{"name": "ds1", "dir": os.path.join(folder, "ds1")}],
            "vms": [{"name": "web", "vmx": "[ds1] web/web.vmx", "poweredOn": True,
                     "uuid": "42000000-1111-2222-3333-444444444444",
                     "instanceUuid": "50000000-1111-2222-3333-444444444444", "disks": [disk]}],
            "faults": {}}


def start(simulator, folder, esxi):
    """The process, its port, the thumbprint, and the owner of its disks."""
    ours, theirs = socket.socketpair()
    child = subprocess.Popen(["bash", "-c", 'exec 3<&"$1"; exec "$0"', simulator,
                              str(theirs.fileno())], pass_fds=[theirs.fileno()],
                             stdin=subprocess.DEVNULL)
    theirs.close()
    owner = Owner(ours)
    config = configuration(folder, esxi, owner.disk())
    ours.sendall((json.dumps(config) + "\n").encode())
    first = b""
    while not first.endswith(b"\n"):
        byte = ours.recv(1)
        if not byte:
            raise RuntimeError("the simulator ended before it was ready")
        first += byte
    ready = json.loads(first)
    if not ready.get("ready"):
        raise RuntimeError(f"the simulator says {ready}")
    threading.Thread(target=owner.run, daemon=True).start()
    return child, ready["port"], config["thumbprint"], ours


def go_through(peer, simulator, esxi, count):
    """How many tests there are now, and whether all went well."""
    good = True
    with tempfile.TemporaryDirectory() as folder:
        child, port, thumbprint, channel = start(simulator, folder, esxi)
        try:
            environment = {**os.environ, "VSPHERE_PASSWORD": PASSWORD}
            ran = subprocess.run([peer, "127.0.0.1", str(port), USER, thumbprint], timeout=200,
                                 capture_output=True, text=True, env=environment, check=False)
        finally:
            channel.close()
            child.terminate()
            child.wait(20)
    kind = "host" if esxi else "vCenter"
    for line in ran.stdout.splitlines():
        for start_of_line in ("ok ", "not ok "):
            if line.startswith(start_of_line):
                count += 1
                what = line.partition(" - ")[2]
                print(f"{start_of_line}{count} - {kind}: {what}")
        if line.startswith("#"):
            print(line)
    for line in ran.stderr.splitlines():
        print(f"# {line}")
    count += 1
    good = ran.returncode == 0 and "1.." in ran.stdout
    print(f"{'ok' if good else 'not ok'} {count} - {kind}: gone through")
    secret = PASSWORD in ran.stdout + ran.stderr
    count += 1
    print(f"{'not ok' if secret else 'ok'} {count} - {kind}: the password is nowhere in the report")
    return count, good and not secret


def main():
    peer, simulator = sys.argv[1:]
    if not os.path.exists(simulator):
        print("1..0 # SKIP the simulator is not built (Go and govmomi are missing)")
        return 0
    count, good = go_through(peer, simulator, False, 0)
    count, good_host = go_through(peer, simulator, True, count)
    print(f"1..{count}")
    return 0 if good and good_host else 1


if __name__ == "__main__":
    sys.exit(main())
