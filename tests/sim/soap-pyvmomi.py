# SPDX-License-Identifier: Apache-2.0
"""soap-pyvmomi.py PORT USER PASSWORD [blocked]: the calls of a backup, made by VMware's own Python client."""

import ssl
import sys
import time

from pyVim.connect import Disconnect, SmartConnect
from pyVim.task import TaskBlocked, WaitForTask
from pyVmomi import vim


def wait(task):
    for _ in range(400):
        if task.info.state in (vim.TaskInfo.State.success, vim.TaskInfo.State.error):
            break
        time.sleep(0.05)
    if task.info.state != vim.TaskInfo.State.success:
        raise SystemExit(f"task: {task.info.error}")
    return task.info.result


def wait_their_way(web):
    """A task that is still running is looked at by pyVim, which wants to know its method."""
    seen = []
    task = web.CreateSnapshot_Task("slow", "", False, False)
    WaitForTask(task, onProgressUpdate=lambda _, progress: seen.append(progress))
    assert task.info.name.info.wsdlName == "CreateSnapshot_Task", task.info.name
    assert "completed" in seen and any(isinstance(progress, int) for progress in seen), seen
    WaitForTask(task.info.result.RemoveSnapshot_Task(removeChildren=False))


def transfer(web, db):
    """Leases, as pyVim's users handle them."""
    try:
        web.ExportVm()
        raise SystemExit("a running VM is exported")
    except vim.fault.InvalidPowerState:
        pass
    lease = db.ExportVm()
    for _ in range(400):
        if lease.state != vim.HttpNfcLease.State.initializing:
            break
        time.sleep(0.05)
    assert lease.state == vim.HttpNfcLease.State.ready, lease.error
    assert [device.disk for device in lease.info.deviceUrl] == [True, True]
    lease.HttpNfcLeaseProgress(50)
    manifest = lease.HttpNfcLeaseGetManifest()
    assert [entry.key for entry in manifest] == [device.key for device in lease.info.deviceUrl]
    lease.HttpNfcLeaseComplete()
    assert web.runtime.question is None and not web.runtime.consolidationNeeded


def blocked(web):
    """A machine with a question blocks its tasks, which pyVim tells."""
    task = web.CreateSnapshot_Task("blocked", "", False, False)
    try:
        WaitForTask(task)
        raise SystemExit("the question is not seen")
    except TaskBlocked:
        pass
    web.AnswerVM(web.runtime.question.id, web.runtime.question.choice.choiceInfo[0].key)
    wait(task)


def main():
    port, user, password, *wanted = sys.argv[1:]
    context = ssl._create_unverified_context()
    try:
        SmartConnect(host="127.0.0.1", port=int(port), user=user, pwd="wrong", sslContext=context)
        raise SystemExit("a wrong password logs in")
    except vim.fault.InvalidLogin:
        pass
    service = SmartConnect(host="127.0.0.1", port=int(port), user=user, pwd=password, sslContext=context)
    content = service.RetrieveContent()
    view = content.viewManager.CreateContainerView(content.rootFolder, [vim.VirtualMachine], True)
    vms = {vm.name: vm for vm in view.view}
    web = vms["web"]
    if wanted == ["blocked"]:
        blocked(web)
        print("done")
        return
    wait(web.ReconfigVM_Task(vim.vm.ConfigSpec(changeTrackingEnabled=True)))
    snapshot = wait(web.CreateSnapshot_Task("p", "", False, False))
    disk = next(d for d in snapshot.config.hardware.device if isinstance(d, vim.vm.device.VirtualDisk))
    live = next(d for d in web.config.hardware.device if isinstance(d, vim.vm.device.VirtualDisk))
    print(disk.key, disk.backing.fileName, disk.backing.changeId, live.backing.fileName)
    assert live.backing.parent.fileName == disk.backing.fileName
    areas = web.QueryChangedDiskAreas(snapshot, disk.key, 0, "*")
    assert areas.startOffset == 0 and areas.length > 0
    try:
        web.QueryChangedDiskAreas(None, disk.key, 0, "*")
        raise SystemExit("a running VM without a snapshot was answered")
    except vim.fault.FileFault:
        pass
    assert web.runtime.host.name == "127.0.0.1"
    assert web.datastore[0].summary.name == "ds1"
    wait(snapshot.RemoveSnapshot_Task(removeChildren=False))
    assert web.snapshot is None
    wait_their_way(web)
    transfer(web, vms["db"])
    Disconnect(service)
    print("done")


main()
