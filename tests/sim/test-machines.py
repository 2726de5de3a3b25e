#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test-machines.py VSPHERE-SIM: snapshots, changes and power of machines that keep writing. What a
snapshot must hold is worked out from the workload's rule; qemu-img and NFC must both read it."""

import subprocess
import time

from clients import ovdl_close, ovdl_open
from simulator import Refused, Simulator, content, equal, expect, qemu_disk, replay, workload
from tap import Failed, plan

MIB = 1 << 20
SIZE = 48 * MIB
PATH = "[ds] web/web.vmdk"


class Machine:
    def __init__(self, folder, *arguments, subformat="monolithicSparse"):
        (folder / "web").mkdir()
        self.folder = folder
        qemu_disk(folder / "web/web.vmdk", SIZE, "-o", f"subformat={subformat}",
                  writes=[(0, 3 * MIB, 5)])
        self.base = content(folder / "web/web.vmdk")
        self.sim = Simulator("--datastore", f"ds={folder}", "--vm", f"web={PATH}", "--seed", "42",
                             *arguments)

    def __enter__(self):
        self.sim.__enter__()
        return self

    def __exit__(self, *problem):
        self.sim.__exit__(*problem)

    def ask(self, operation, **request):
        return self.sim.ask(op=operation, vm="web", **request)

    def snapshot(self, name):
        return self.ask("snapshotCreate", snapshot=name)["frozen"][0]

    def file(self, name):
        return self.folder / name.split("] ")[1]

    def wait(self, count):
        end = time.monotonic() + 60
        while self.ask("workload")["disks"][0]["writes"] < count:
            if time.monotonic() > end:
                raise Failed("the workload does not write")
            time.sleep(0.02)

    def after(self, writes):
        data = bytearray(self.base)
        replay(data, workload(SIZE, 42, 2000, 0, writes))
        return bytes(data)

    def nfc(self, path):
        aio = ovdl_open(self.sim, self.sim.ticket("read", vm="web"), path, service="nfc")
        data = aio.read(0, SIZE)
        ovdl_close(aio)
        return data

    def changed(self, since, **request):
        """The bytes of all areas, page after page, as one set of 64 KiB blocks."""
        start, blocks, pages = 0, set(), 0
        while start < SIZE:
            answer = self.ask("changed", key=2000, start=start, changeId=since, **request)
            equal(answer["start"], start, "start")
            for at, length in answer["areas"]:
                expect(at % 65536 == 0 and start <= at, f"area {at} {length}")
                blocks.update(range(at // 65536, -(-(at + length) // 65536)))
            start += answer["length"]
            pages += 1
        self.pages = pages
        return blocks


def blocks_of(first, last):
    return {block for at, data in workload(SIZE, 42, 2000, first, last)
            for block in range(at // 65536, (at + len(data) - 1) // 65536 + 1)}


def snapshots(folder, subformat):
    with Machine(folder, "--workload=400", subformat=subformat) as vm:
        frozen = []
        for number in range(3):
            vm.wait(60 * (number + 1))
            frozen.append(vm.snapshot(f"s{number}"))
        equal([len(disk["chain"]) for disk in frozen], [1, 2, 3], "links of the chains")
        for disk in frozen:
            equal(vm.nfc(disk["chain"][0]), vm.after(disk["writes"]), "a snapshot over NFC")
        equal(content(vm.file(frozen[0]["chain"][0])), vm.after(frozen[0]["writes"]), "qemu-img")
        told = vm.ask("snapshotRemove", snapshot="s1")
        equal([s["snapshot"] for s in told["snapshots"]], ["s2", "s0"], "what is left")
        moved = told["snapshots"][0]["disks"][0]["chain"]
        equal(len(moved), 2, "the middle is gone")
        equal(vm.nfc(moved[0]), vm.after(frozen[2]["writes"]), "the last snapshot, moved")
        equal(vm.nfc(PATH), vm.after(frozen[0]["writes"]), "the first one")
        vm.ask("snapshotRemove", snapshot="s2")
        equal(vm.nfc(PATH), vm.after(frozen[0]["writes"]), "the first one, still")
        equal(vm.ask("snapshotRemove", snapshot="s0")["disks"][0]["chain"], [PATH], "one link")
        vm.wait(vm.ask("workload")["disks"][0]["writes"] + 20)  # it goes on
        vm.ask("power", on=False)
        writes = vm.ask("workload")["disks"][0]["writes"]
        equal(vm.nfc(PATH), vm.after(writes), "everything, at last")
    equal(content(folder / "web/web.vmdk"), vm.after(writes), "as qemu-img reads it")
    left = sorted(path.name for path in (folder / "web").iterdir() if "0000" in path.name)
    equal(left, [], "links that stayed behind")


def changes(folder):
    with Machine(folder, "--workload=400") as vm:
        try:
            vm.changed("*")
            raise Failed("changes of a running machine that is not tracked")
        except Refused as error:
            equal(error.fault, "FileFault", "the fault")
        equal(vm.ask("tracking", on=True)["disks"][0]["changeId"], "", "not before a snapshot")
        vm.wait(10)
        first = vm.snapshot("s1")
        expect(first["changeId"].startswith("52 ") and first["changeId"].endswith("/1"), first)
        vm.wait(first["writes"] + 30)
        second = vm.snapshot("s2")
        vm.wait(second["writes"] + 30)
        third = vm.snapshot("s3")
        names = {"s2": second, "s3": third}
        for name, disk in names.items():
            equal(vm.changed(first["changeId"], snapshot=name),
                  blocks_of(first["writes"], disk["writes"]), f"changes until {name}")
        equal(vm.changed(second["changeId"], snapshot="s3"),
              blocks_of(second["writes"], third["writes"]), "changes between")
        equal(vm.changed(second["changeId"], snapshot="s2"), set(), "nothing since itself")
        whole = vm.changed("*", snapshot="s3")
        expect(whole >= blocks_of(0, third["writes"]) | set(range(48)), "allocated areas")
        vm.sim.fault("changed-page", 3)
        equal(vm.changed(first["changeId"], snapshot="s3"),
              blocks_of(first["writes"], third["writes"]), "the same in pages")
        expect(vm.pages > 1, "one page only")
        for bad in ("nonsense", first["changeId"][:-1] + "99", "52 00/1", ""):
            try:
                vm.changed(bad, snapshot="s3")
                raise Failed(f"'{bad}' is a change ID")
            except Refused as error:
                equal(error.fault, "FileFault", "the fault")


def restores(folder):
    """What a client writes is tracked, and a machine that is off is asked without a snapshot."""
    with Machine(folder, "--powered-off") as vm:
        vm.ask("tracking", on=True)
        vm.ask("power", on=True)
        vm.ask("power", on=False)
        since = vm.snapshot("s1")["changeId"]
        leaf = vm.ask("tracking", on=True)["disks"][0]["chain"][0]
        aio = ovdl_open(vm.sim, vm.sim.ticket("write", vm="web", key=2000), leaf, 0x1a)
        aio.write(20 * MIB + 512, b"x" * 512 * 200)
        try:
            vm.snapshot("s2")
            raise Failed("a snapshot of a disk that is being written")
        except Refused as error:
            equal(error.fault, "FileLocked", "the fault")
        ovdl_close(aio)
        equal(vm.changed(since), {320, 321}, "what was written")
        try:
            vm.ask("snapshotRevert", snapshot="none")
            raise Failed("there is no such snapshot")
        except Refused as error:
            equal(error.fault, "ManagedObjectNotFound", "the fault")
        equal(vm.nfc(leaf)[20 * MIB + 512:][:102400], b"x" * 102400, "before the revert")
        leaf = vm.ask("snapshotRevert", snapshot="s1")["disks"][0]["chain"][0]
        equal(vm.nfc(leaf), vm.base, "after it")


def locks(folder):
    with Machine(folder, "--workload=200") as vm:
        vm.snapshot("s1")
        aio = ovdl_open(vm.sim, vm.sim.ticket("read", vm="web"), PATH)
        try:
            vm.ask("snapshotRemove", snapshot="s1")
            raise Failed("removed while a client reads it")
        except Refused as error:
            equal(error.fault, "FileLocked", "the fault")
        equal(aio.read(0, 3 * MIB), vm.base[:3 * MIB], "the reader")
        ovdl_close(aio)
        vm.wait(vm.ask("workload")["disks"][0]["writes"] + 5)
        vm.ask("snapshotRemove", snapshot="s1")


def managed_disks(folder):
    with Machine(folder) as vm:
        ask = vm.sim.ask
        ask(op="createDisk", path="[ds] web/new.vmdk", capacityBytes=4 * MIB, diskType="thin",
            adapterType="busLogic")
        told = ask(op="diskInfo", path="[ds] web/new.vmdk")
        equal((told["capacityBytes"], told["adapter"], told["thin"]), (4 * MIB, "buslogic", True),
              "diskInfo")
        ask(op="copyDisk", source="[ds] web/new.vmdk", path="[ds] web/copy.vmdk")
        ask(op="moveDisk", source="[ds] web/copy.vmdk", path="[ds] web/moved.vmdk")
        ask(op="extendDisk", path="[ds] web/moved.vmdk", capacityBytes=8 * MIB)
        equal(len(content(folder / "web/moved.vmdk")), 8 * MIB, "the larger disk")
        ask(op="setDiskUuid", path="[ds] web/moved.vmdk",
            uuid="6000C291-2233-4455-6677-8899aabbccdd")
        equal(ask(op="diskInfo", path="[ds] web/moved.vmdk")["uuid"].lower(),
              "6000c291-2233-4455-6677-8899aabbccdd", "its uuid")
        equal(len(vm.ask("attach", path="[ds] web/new.vmdk", key=2005)["disks"]), 2, "attached")
        equal(len(vm.ask("detach", key=2005, destroy=True)["disks"]), 1, "detached")
        expect(not (folder / "web/new.vmdk").exists(), "destroyed")
        for operation in ("deleteDisk", "extendDisk"):
            try:
                ask(op=operation, path=PATH, capacityBytes=SIZE * 2)
                raise Failed(f"{operation} of a running machine's disk")
            except Refused as error:
                equal(error.fault, "FileLocked", "the fault")
        vm.snapshot("s1")
        told = ask(op="export", path=PATH)
        info = subprocess.run(["qemu-img", "compare", "-f", "vmdk", "-F", "vmdk", told["file"],
                               str(folder / "web/web.vmdk")], capture_output=True, check=False)
        equal(info.returncode, 0, "the export, compared")
        fcd = "[ds] web/moved.vmdk"
        ask(op="tracking", disk=fcd, on=True)
        frozen = ask(op="snapshotCreate", disk=fcd, snapshot="f1")["frozen"][0]
        equal((frozen["key"], frozen["chain"]), (0, [fcd]), "a first-class disk's snapshot")
        answer = ask(op="changed", disk=fcd, snapshot="f1", key=0, start=0,
                     changeId=frozen["changeId"])
        equal((answer["length"], answer["areas"]), (8 * MIB, []), "its changes")
        ask(op="snapshotRemove", disk=fcd, snapshot="f1")


with plan() as tap:
    for kind in ("monolithicSparse", "monolithicFlat"):
        tap.case(f"snapshots of a running machine with a {kind} disk", snapshots, kind)
    tap.case("changes", changes)
    tap.case("restores are tracked; reverts", restores)
    tap.case("a snapshot that a client reads stays", locks)
    tap.case("disks of no machine; exports", managed_disks)
