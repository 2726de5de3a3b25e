# SPDX-License-Identifier: Apache-2.0
"""Plays the process that owns the disks: starts vsphere-sim-soap with a socket as descriptor 3 and
answers what it asks, from a small model of chains, snapshots and changed areas."""

import copy
import json
import os
import socket
import subprocess
import threading
import uuid

BLOCK = 65536
USER = "administrator@vsphere.local"
PASSWORD = "s3cret&<\"'é"


def certificate(folder):
    """A self-signed certificate; gives its files and its SHA-1 thumbprint."""
    cert, key = folder / "c.pem", folder / "k.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days", "30",
         "-subj", "/CN=sim.test", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
        check=True, capture_output=True)
    out = subprocess.run(["openssl", "x509", "-in", cert, "-noout", "-fingerprint", "-sha1"],
                         check=True, capture_output=True, text=True).stdout
    return cert, key, out.strip().split("=")[1]


class Disk:
    """One disk of a VM: its chain, and which blocks each epoch of it changed."""

    def __init__(self, key, path, capacity, thin=True):
        self.key, self.capacity, self.thin = key, capacity, thin
        self.chain = [path]
        self.track_uuid = None
        self.epoch = 0
        self.changed = {}  # block -> epoch of its last change
        self.children = 0

    def start_tracking(self):
        if self.track_uuid is None:
            hexes = uuid.uuid4().hex
            pairs = [hexes[i:i + 2] for i in range(0, 32, 2)]
            self.track_uuid = " ".join(pairs[:8]) + "-" + " ".join(pairs[8:])
            self.epoch = 1

    def change_id(self, epoch=None):
        return f"{self.track_uuid}/{epoch or self.epoch}" if self.track_uuid else ""

    def wire(self, chain=None, epoch=None):
        return {"key": self.key, "label": f"Hard disk {self.key - 1999}", "capacityBytes": self.capacity,
                "thin": self.thin, "uuid": "6000C290-0000-0000-0000-%012x" % self.key, "adapter": "lsilogic",
                "unit": self.key - 2000, "chain": chain or self.chain, "changeId": self.change_id(epoch)}


class Vm:
    def __init__(self, name, vmx, disks, powered_on):
        self.name, self.vmx, self.disks, self.on = name, vmx, disks, powered_on
        self.tracking = False
        self.snapshots = {}  # moref -> {key: (chain, epoch)}

    def wire(self):
        return {"name": self.name, "vmx": self.vmx, "poweredOn": self.on, "uuid": "",
                "disks": [d.wire() for d in self.disks]}


class Refused(Exception):
    def __init__(self, fault, message):
        super().__init__(message)
        self.fault = fault


class Peer:
    """The started program, and this side's answers. `asked` keeps every request."""

    def __init__(self, program, folder, **config):
        self.folder = folder
        self.cert, self.key, self.thumbprint = certificate(folder)
        self.store = folder / "ds1"
        self.asked = []
        self.made = {}  # disks without a VM: path -> capacity
        self.vms = self.inventory()
        self.page = 4
        ours, theirs = socket.socketpair()
        self.line = ours.makefile("rw", encoding="utf-8", newline="\n")
        self.socket = ours
        self.process = self.launch(program, theirs)
        theirs.close()
        self.config = {
            "esxi": False, "profile": 8, "listen": "127.0.0.1:0", "cert": str(self.cert), "key": str(self.key),
            "user": USER, "password": PASSWORD, "nfcHost": "127.0.0.1", "nfcPort": 1902,
            "thumbprint": self.thumbprint, "datastores": [{"name": "ds1", "dir": str(self.store)}],
            "vms": [v.wire() for v in self.vms], **config}
        self.send(self.config)
        self.ready = json.loads(self.line.readline())
        if not self.ready["ready"]:
            raise RuntimeError(self.ready["error"])
        self.port = self.ready["port"]
        self.by_ref = {}
        for entry, vm in zip(self.ready["vms"], self.vms):
            self.by_ref[entry["moref"]] = vm
        threading.Thread(target=self.serve, daemon=True).start()

    @staticmethod
    def launch(program, theirs):
        wrapper = f"import os,sys; os.dup2({theirs.fileno()}, 3); os.execv(sys.argv[1], sys.argv[1:])"
        return subprocess.Popen(["python3", "-c", wrapper, program], pass_fds=[theirs.fileno()],
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def inventory(self):
        for name in ("web", "db", "fcd"):
            (self.store / name).mkdir(parents=True)
        for name in ("web/web.vmx", "web/web.vmdk", "db/db.vmx", "db/db.vmdk", "db/data.vmdk",
                     "fcd/2757d89e0b6f4c0f9a5c3c0f7f6d1a11.vmdk"):
            (self.store / name).write_text(name)
        (self.store / "web/web-flat.vmdk").write_bytes(bytes(range(256)) * 4096)
        self.made["[ds1] fcd/2757d89e0b6f4c0f9a5c3c0f7f6d1a11.vmdk"] = 8 << 20
        return [Vm("web", "[ds1] web/web.vmx", [Disk(2000, "[ds1] web/web.vmdk", 1 << 20)], True),
                Vm("db", "[ds1] db/db.vmx", [Disk(2000, "[ds1] db/db.vmdk", 1 << 30),
                                             Disk(2001, "[ds1] db/data.vmdk", 1 << 21)], False)]

    def send(self, value):
        self.line.write(json.dumps(value) + "\n")
        self.line.flush()

    def fault(self, name, value=True):
        self.send({"event": "fault", "fault": name, "value": value})

    def serve(self):
        for text in self.line:
            request = json.loads(text)
            self.asked.append(request)
            try:
                answer = getattr(self, "op_" + request["op"])(request) or {}
            except Refused as no:
                answer = {"error": {"fault": no.fault, "message": str(no)}}
            except Exception as error:  # told to the other side, and so to the test
                answer = {"error": {"fault": "SystemError", "message": repr(error)}}
            self.send({"id": request["id"], **answer})

    def stop(self):
        """Ends the program by closing the socket; gives what it printed."""
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        out, _ = self.process.communicate(timeout=10)
        return out

    # --- answers ---

    def op_ticket(self, request):
        return {"sessionId": str(uuid.uuid4()), "host": "127.0.0.1", "port": 1902}

    def op_power(self, request):
        vm = self.by_ref[request["vm"]]
        vm.on = request["on"]
        return {"disks": [d.wire() for d in vm.disks]}

    def op_tracking(self, request):
        if "disk" in request:
            return {}
        vm = self.by_ref[request["vm"]]
        vm.tracking = request["on"]
        if not vm.tracking:
            for disk in vm.disks:
                disk.track_uuid = None
        return {"disks": [d.wire() for d in vm.disks]}

    def op_snapshotCreate(self, request):
        if "disk" in request:
            chain = [request["disk"]]
            return {"frozen": [{"key": 0, "chain": chain, "changeId": "52 00/7"}], "disks": [{"key": 0, "chain": chain}]}
        vm = self.by_ref[request["vm"]]
        frozen = []
        moment = {}
        for disk in vm.disks:
            if vm.tracking:
                disk.start_tracking()
            frozen.append(copy.deepcopy(disk.wire()))
            moment[disk.key] = (list(disk.chain), disk.epoch)
            disk.epoch += 1
            disk.children += 1
            base = disk.chain[-1][:-len(".vmdk")]
            disk.chain.insert(0, f"{base}-{disk.children:06}.vmdk")
        vm.snapshots[request["snapshot"]] = moment
        return {"frozen": frozen, "disks": [d.wire() for d in vm.disks]}

    def op_snapshotRemove(self, request):
        if "disk" in request:
            return {}
        vm = self.by_ref[request["vm"]]
        moment = vm.snapshots.pop(request["snapshot"])
        for disk in vm.disks:
            frozen = moment[disk.key][0][0]
            at = disk.chain.index(frozen)
            merged = disk.chain.pop(at - 1)  # the child of the frozen file is merged into it
            for other in vm.snapshots.values():
                chain = other[disk.key][0]
                if merged in chain:
                    chain.remove(merged)
        return {"disks": [d.wire() for d in vm.disks]}

    def op_snapshotRevert(self, request):
        vm = self.by_ref[request["vm"]]
        for disk in vm.disks:
            disk.children += 1
            chain = vm.snapshots[request["snapshot"]][disk.key][0]
            disk.chain = [f"{chain[-1][:-5]}-{disk.children:06}.vmdk"] + list(chain)
        return {"disks": [d.wire() for d in vm.disks]}

    def write(self, vm_name, key, offset):
        """The guest writes one block."""
        vm = next(v for v in self.vms if v.name == vm_name)
        disk = next(d for d in vm.disks if d.key == key)
        disk.changed[offset // BLOCK] = disk.epoch

    def op_changed(self, request):
        if "disk" in request:
            return {"start": request["start"], "length": BLOCK, "areas": [[request["start"], BLOCK]]}
        vm = self.by_ref[request["vm"]]
        disk = next(d for d in vm.disks if d.key == request["key"])
        until = vm.snapshots[request["snapshot"]][disk.key][1] if request["snapshot"] else disk.epoch
        since = 0
        if request["changeId"] != "*":
            track, _, count = request["changeId"].rpartition("/")
            if track != disk.track_uuid or int(count) > until:
                raise Refused("FileFault", "unknown changeId")
            since = int(count)
        blocks = sorted(b for b, e in disk.changed.items() if since < e <= until and b * BLOCK >= request["start"])
        end = disk.capacity
        if len(blocks) > self.page:
            blocks, end = blocks[:self.page], blocks[self.page] * BLOCK
        return {"start": request["start"], "length": end - request["start"],
                "areas": [[b * BLOCK, BLOCK] for b in blocks]}

    def op_export(self, request):
        file = self.folder / f"export-{len(self.asked)}.vmdk"
        file.write_bytes(b"KDMV" + request["path"].encode() + os.urandom(5000))
        return {"file": str(file), "bytes": file.stat().st_size}

    def host(self, path):
        return self.store / path.split("] ", 1)[1]

    def op_createDisk(self, request):
        file = self.host(request["path"])
        if file.exists():
            raise Refused("FileAlreadyExists", "the file exists")
        file.parent.mkdir(exist_ok=True)
        file.write_text("descriptor")
        self.made[request["path"]] = request["capacityBytes"]

    def op_deleteDisk(self, request):
        if request["path"] not in self.made:
            raise Refused("FileNotFound", "no such disk")
        del self.made[request["path"]]
        self.host(request["path"]).unlink()

    def op_extendDisk(self, request):
        self.made[request["path"]] = request["capacityBytes"]

    def op_diskInfo(self, request):
        if request["path"] not in self.made:
            raise Refused("FileNotFound", "no such disk")
        return {"capacityBytes": self.made[request["path"]], "thin": True, "adapter": "lsilogic",
                "uuid": "6000C293-7ba0-3a03-9f22-000000000001"}

    def op_attach(self, request):
        vm = self.by_ref[request["vm"]]
        disk = Disk(request["key"], request["path"], self.made.get(request["path"], 1 << 20))
        vm.disks.append(disk)
        return {"disks": [d.wire() for d in vm.disks]}

    def op_detach(self, request):
        vm = self.by_ref[request["vm"]]
        vm.disks = [d for d in vm.disks if d.key != request["key"]]
        return {"disks": [d.wire() for d in vm.disks]}
