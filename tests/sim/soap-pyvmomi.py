# SPDX-License-Identifier: Apache-2.0
"""soap-pyvmomi.py PORT USER PASSWORD: the calls of a backup, made by VMware's own Python client."""

import ssl
import sys
import time

from pyVim.connect import Disconnect, SmartConnect
from pyVmomi import vim


def wait(task):
    for _ in range(400):
        if task.info.state in (vim.TaskInfo.State.success, vim.TaskInfo.State.error):
            break
        time.sleep(0.05)
    if task.info.state != vim.TaskInfo.State.success:
        raise SystemExit(f"task: {task.info.error}")
    return task.info.result


def main():
    port, user, password = sys.argv[1:]
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
    Disconnect(service)
    print("done")


main()
