# SPDX-License-Identifier: Apache-2.0
"""test-soap.py PROGRAM: vsphere-sim-soap alone, with this side of its channel played by soap_peer.py
and a client that writes its XML by hand."""

import base64
import hashlib
import re
import ssl
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "interop"))

from soap_client import Client, Fault  # noqa: E402
from soap_peer import BLOCK, PASSWORD, USER, Peer  # noqa: E402
from tap import Skipped, equal, expect, plan  # noqa: E402

PROGRAM = sys.argv[1]


@contextmanager
def simulated(folder, login=True, **config):
    peer = Peer(PROGRAM, folder, **config)
    try:
        client = Client(peer.port)
        if login:
            client.login(USER, PASSWORD)
        yield peer, client
    finally:
        printed = peer.stop()
        equal(printed, b"", "what the program printed")
        equal(peer.process.returncode, 0, "its exit status")


def vm(peer, name):
    return "VirtualMachine:" + next(v["moref"] for v in peer.ready["vms"] if v["name"] == name)


def refused(kind, function, *args, **options):
    try:
        function(*args, **options)
    except Fault as fault:
        equal(fault.kind, kind, "the fault")
        return fault
    raise AssertionError(f"no {kind} fault")


def value(element):
    return element.text if element is not None else None


def sessions(folder):
    with simulated(folder, login=False) as (peer, client):
        refused("InvalidLogin", client.login, USER, "wrong")
        expect(client.cookie, "a failed login sets a cookie, too")
        client.cookie = None
        refused("NotAuthenticated", client.call, "CurrentTime", "ServiceInstance:ServiceInstance")
        refused("NotAuthenticated", client.props, vm(peer, "web"), "name")
        refused("NotAuthenticated", client.call, "RetrieveInternalContent", "ServiceInstance:ServiceInstance")
        session = client.login(USER, PASSWORD)
        expect(re.fullmatch(r'vmware_soap_session="[0-9a-f]{40}"', client.cookie), "the cookie is quoted")
        expect(session.findtext("key") not in client.cookie, "key and cookie differ")
        for name in ("userName", "fullName", "loginTime", "lastActiveTime", "locale", "messageLocale"):
            expect(session.findtext(name), f"UserSession has {name}")
        refused("InvalidLogin", client.login, USER, PASSWORD)
        client2 = Client(peer.port)
        client2.login(USER, PASSWORD)
        client2.cookie = client2.cookie.replace('"', "")
        client2.call("CurrentTime", "ServiceInstance:ServiceInstance")
        current = client2.prop(client2.content["sessionManager"], "currentSession")
        equal(current.findtext("userName"), USER, "currentSession")
        client2.call("Logout", client2.content["sessionManager"])
        refused("NotAuthenticated", client2.call, "CurrentTime", "ServiceInstance:ServiceInstance")


def clones(folder):
    with simulated(folder) as (peer, client):
        ticket = client.call("AcquireCloneTicket", client.content["sessionManager"])[0].text
        other = Client(peer.port)
        other.content = client.content
        inner = f"<cloneTicket>{ticket}</cloneTicket>"
        other.call("CloneSession", client.content["sessionManager"], inner)
        equal(value(other.prop(vm(peer, "web"), "name")), "web", "the clone works")
        third = Client(peer.port)
        refused("InvalidLogin", third.call, "CloneSession", client.content["sessionManager"], inner)


def profiles(folder, esxi, profile, nfc, version, lib):
    with simulated(folder, esxi=esxi, profile=profile, nfcVersion=nfc) as (peer, client):
        equal(client.about.findtext("apiVersion"), version, "apiVersion")
        equal(client.about.findtext("apiType"), "HostAgent" if esxi else "VirtualCenter", "apiType")
        answer, data = Client(peer.port).http("GET", "/sdk/vimServiceVersions.xml")
        expect(answer.status == 200 and f"<version>{version}</version>".encode() in data, "the version document")
        nfc_status = Client(peer.port).http("GET", "/sdk/nfcServiceVersions.xml")[0].status
        equal(nfc_status, 404 if profile == 6 else 200, "nfcServiceVersions.xml")
        equal(client.prop(vm(peer, "web"), "name").text, "web", "the VM's name")
        service = internal(client)
        equal(service, "ha-nfc-service" if esxi else "nfcService", "nfcService")
        host = client.prop(vm(peer, "web"), "runtime.host").text
        inner = f'<hostForAccess type="HostSystem">{host}</hostForAccess>'
        if lib is None:
            fault = refused("InvalidRequest", client.call, "NfcGetServerNfcLibVersion", "NfcService:" + service, inner)
            expect("NfcGetServerNfcLibVersion" in fault.text, "the fault names the method")
        else:
            reply = client.call("NfcGetServerNfcLibVersion", "NfcService:" + service, inner)
            equal(int(reply[0].text), lib, "NFC library version")
            refused("InvalidArgument", client.call, "NfcGetServerNfcLibVersion", "NfcService:" + service)
        ticket = client.call("NfcGetVmFiles", "NfcService:" + service, moref("vm", vm(peer, "web")))[0]
        equal([e.tag for e in ticket], ([] if esxi else ["host"]) +
              ["port", "sslThumbprint", "service", "serviceVersion", "sessionId"], "members of the ticket")
        equal(ticket.findtext("service"), "nfc" if esxi else "vpxa-nfc", "service")
        equal(ticket.findtext("sslThumbprint"), peer.thumbprint, "thumbprint")
        if esxi:
            expect(vm(peer, "web").split(":")[1].isdigit(), "moids of ESXi are integers")


def moref(name, ref):
    kind, _, moid = ref.partition(":")
    return f'<{name} type="{kind}">{moid}</{name}>'


def internal(client):
    answer, data = client.post('<RetrieveInternalContent xmlns="urn:vim25"><_this type="ServiceInstance">'
                               'ServiceInstance</_this></RetrieveInternalContent>')
    equal(answer.status, 200, "RetrieveInternalContent")
    return re.search(r"<nfcService[^>]*>([^<]*)</nfcService>", data.decode()).group(1)


def nfc_tickets(folder):
    with simulated(folder) as (peer, client):
        web = moref("vm", vm(peer, "web"))
        store = peer.ready["datastores"][0]["moref"]
        for method, inner, kind in (
                ("NfcRandomAccessOpenDisk", web + "<diskDeviceKey>2000</diskDeviceKey>", "write"),
                ("NfcRandomAccessOpenReadonly", web + "<diskDeviceKey>2000</diskDeviceKey>", "readDisk"),
                ("NfcFileManagement", f'<ds type="Datastore">{store}</ds>', "files")):
            for space in ("urn:vim25", "urn:nfc", "urn:internalvim25"):
                ticket = client.call(method, "NfcService:nfcService", inner, space=space)[0]
                equal(len(ticket.findtext("sessionId")), 36, "sessionId")
                equal(peer.asked[-1]["kind"], kind, "kind of ticket asked for")
        refused("InvalidArgument", client.call, "NfcRandomAccessOpenDisk", "NfcService:nfcService",
                web + "<diskDeviceKey>2005</diskDeviceKey>")
        refused("ManagedObjectNotFound", client.call, "NfcGetVmFiles", "NfcService:ha-nfc", web)
        peer.fault("missing-privilege", "VirtualMachine.Provisioning.DiskRandomAccess,Global.DisableMethods")
        wait_for(lambda: denied(client, web))
        privileges = client.call(
            "HasPrivilegeOnEntities", client.content["authorizationManager"],
            moref("entity", vm(peer, "web")) + "<sessionId>x</sessionId><privId>Global.DisableMethods</privId>"
            "<privId>Global.EnableMethods</privId>")[0]
        equal([e.findtext("isGranted") for e in privileges.iter("privAvailability")], ["false", "true"], "granted")


def denied(client, inner):
    try:
        client.call("NfcRandomAccessOpenDisk", "NfcService:nfcService", inner + "<diskDeviceKey>2000</diskDeviceKey>")
    except Fault as fault:
        return fault.kind == "NoPermission" and \
            fault.detail.findtext("privilegeId") == "VirtualMachine.Provisioning.DiskRandomAccess"
    return False


def wait_for(condition):
    for _ in range(100):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it does not come")


def snapshots(folder):
    with simulated(folder) as (peer, client):
        web = vm(peer, "web")
        equal(client.disks(web), {2000: (["[ds1] web/web.vmdk"], None, 1 << 20)}, "the disks before")
        first = client.snapshot(web, "one", "true")
        second = client.snapshot(web, "two")
        equal(client.disks(web)[2000][0], ["[ds1] web/web-000002.vmdk", "[ds1] web/web-000001.vmdk",
                                           "[ds1] web/web.vmdk"], "the chain with two snapshots")
        equal(client.disks(first)[2000][0], ["[ds1] web/web.vmdk"], "frozen by the first")
        tree = client.prop(web, "snapshot")
        equal(tree.findtext("currentSnapshot"), second.split(":")[1], "current")
        equal([e.findtext("name") for e in tree.iter() if e.tag in ("rootSnapshotList", "childSnapshotList")],
              ["one", "two"], "the tree")
        client.run("RemoveSnapshot_Task", first, "<removeChildren>false</removeChildren>")
        equal(client.disks(web)[2000][0], ["[ds1] web/web-000002.vmdk", "[ds1] web/web.vmdk"], "one removed")
        equal(client.disks(second)[2000][0], ["[ds1] web/web.vmdk"], "frozen by the second now")
        refused("ManagedObjectNotFound", client.start, "RemoveSnapshot_Task", first,
                "<removeChildren>false</removeChildren>")
        client.run("RevertToSnapshot_Task", second)
        equal(value(client.prop(web, "runtime.powerState")), "poweredOff", "reverted and off")
        client.run("RemoveAllSnapshots_Task", web, "<consolidate>false</consolidate>")
        equal(value(client.prop(web, "runtime.consolidationNeeded")), "true", "consolidationNeeded")
        equal(client.prop(web, "snapshot"), None, "no snapshot left")
        client.run("ConsolidateVMDisks_Task", web)
        equal(value(client.prop(web, "runtime.consolidationNeeded")), "false", "consolidated")
        equal(client.disks(web)[2000][0], ["[ds1] web/web.vmdk"], "the chain in the end")
        client.run("CreateSnapshotEx_Task", web, "<name>ex</name><memory>false</memory><quiesceSpec "
                   'xsi:type="VirtualMachineGuestQuiesceSpec"><timeout>5</timeout></quiesceSpec>')
        equal(peer.asked[-1]["quiesce"], True, "quiesced")


def tracking(folder):
    with simulated(folder) as (peer, client):
        web = vm(peer, "web")
        on = "<spec><changeTrackingEnabled>true</changeTrackingEnabled></spec>"
        client.run("ReconfigVM_Task", web, on)
        equal(value(client.prop(web, "config.changeTrackingEnabled")), "true", "enabled")
        equal(client.disks(web)[2000][1], None, "no changeId before the next snapshot")
        first = client.snapshot(web)
        before = client.disks(first)[2000][1]
        expect(re.fullmatch(r"([0-9a-f]{2}[ -]?){16}/1", before), f"first changeId '{before}'")
        expect(client.disks(web)[2000][1].endswith("/2"), "the live disk counts on")
        for block in (3, 4, 5, 9, 11, 12):
            peer.write("web", 2000, block * BLOCK)
        second = client.snapshot(web)
        areas, rounds = changed(client, web, second, before, 1 << 20)
        equal(areas, [(b * BLOCK, BLOCK) for b in (3, 4, 5, 9, 11, 12)], "changed areas")
        equal(rounds, 2, "pages")
        refused("FileFault", changed, client, web, second, "52 00 00 00 00 00 00 00-00 00 00 00 00 00 00 00/1", 1 << 20)
        refused("FileFault", changed, client, web, None, before, 1 << 20)
        refused("FileFault", changed, client, vm(peer, "db"), None, before, 1 << 20)
        refused("NotFound", changed, client, web, second, before, 1 << 20, key=2009)
        refused("InvalidArgument", changed, client, web, second, before, 1 << 20, start=-1)
        client.run("RemoveAllSnapshots_Task", web)
        client.run("ReconfigVM_Task", web, on.replace("true", "false"))
        equal(client.disks(web)[2000][1], None, "disabled")


def changed(client, ref, snapshot, change_id, capacity, key=2000, start=0):
    areas, rounds = [], 0
    while start < capacity:
        inner = (moref("snapshot", snapshot) if snapshot else "") + \
            f"<deviceKey>{key}</deviceKey><startOffset>{start}</startOffset><changeId>{change_id}</changeId>"
        reply = client.call("QueryChangedDiskAreas", ref, inner)[0]
        areas += [(int(a.findtext("start")), int(a.findtext("length"))) for a in reply.iter("changedArea")]
        start = int(reply.findtext("startOffset")) + int(reply.findtext("length"))
        rounds += 1
    return areas, rounds


def slow_tasks(folder):
    with simulated(folder, faults={"slow-task": 600}) as (peer, client):
        web = vm(peer, "web")
        task = client.start("CreateSnapshot_Task", web, "<name>s</name><memory>false</memory><quiesce>true</quiesce>")
        expect(client.prop(task, "info.state").text in ("queued", "running"), "not over at once")
        refused("TaskInProgress", client.start, "CreateSnapshot_Task", web,
                "<name>t</name><memory>false</memory><quiesce>true</quiesce>")
        wait_for(lambda: int(value(client.prop(task, "info.progress")) or 0) >= 30)
        client.call("CancelTask", task)
        refused("RequestCanceled", client.wait, task)
        equal(value(client.prop(task, "info.cancelled")), "true", "cancelled")
        refused("InvalidState", client.call, "CancelTask", task)
        equal(client.prop(web, "snapshot"), None, "no snapshot came of it")
        updates(client, web)
        peer.fault("slow-task", None)
        peer.fault("task-fails", "ApplicationQuiesceFault")
        time.sleep(0.2)
        refused("ApplicationQuiesceFault", client.snapshot, web, "q", "true")
        client.snapshot(web, "q", "false")
        peer.fault("task-fails", "RemoveAllSnapshots_Task:NoDiskSpace")
        time.sleep(0.2)
        refused("NoDiskSpace", client.run, "RemoveAllSnapshots_Task", web)
        client.snapshot(web, "r")


def updates(client, web):
    """A task watched with WaitForUpdatesEx, as clients do that do not poll."""
    collector = client.call("CreatePropertyCollector", client.content["propertyCollector"])[0].text
    task = client.start("CreateSnapshot_Task", web, "<name>s</name><memory>false</memory><quiesce>true</quiesce>")
    client.call("CreateFilter", "PropertyCollector:" + collector,
                f"<spec><propSet><type>Task</type><pathSet>info.state</pathSet><pathSet>info.progress</pathSet>"
                f"</propSet><objectSet>{moref('obj', task)}</objectSet></spec><partialUpdates>false</partialUpdates>")
    seen, version = [], ""
    while "success" not in seen:
        reply = client.call("WaitForUpdatesEx", "PropertyCollector:" + collector,
                            f"<version>{version}</version><options><maxWaitSeconds>5</maxWaitSeconds></options>")
        expect(len(reply) == 1, "an update within five seconds")
        version = reply[0].findtext("version")
        seen += [c.findtext("val") for c in reply.iter("changeSet")]
    expect("running" in seen or "queued" in seen, f"states seen: {seen}")


def methods(folder):
    with simulated(folder) as (peer, client):
        manager, web = client.content["authorizationManager"], vm(peer, "web")

        def disable(source):
            client.call("DisableMethods", manager, moref("entity", web) + "<method><method>RelocateVM_Task</method>"
                        f"<reasonId>x</reasonId></method><sourceId>{source}</sourceId>", space="urn:internalvim25")

        def enable(source):
            client.call("EnableMethods", manager, moref("entity", web) + "<method>RelocateVM_Task</method>"
                        f"<sourceId>{source}</sourceId>", space="urn:internalvim25")
        disable("backup A")
        fault = refused("MethodAlreadyDisabledFault", disable, "backup B")
        equal(fault.detail.findtext("sourceId"), "backup A", "who was first")
        equal([e.text for e in client.prop(web, "disabledMethod")], ["RelocateVM_Task"], "disabledMethod")
        fault = refused("MethodDisabled", client.call, "RelocateVM_Task", web, "<spec/>")
        expect("backup A" in fault.text, "the sentence names the source")
        enable("backup B")
        refused("MethodAlreadyDisabledFault", disable, "backup B")
        enable("backup A")
        disable("backup B")


def paging(folder):
    with simulated(folder, faults={"page-size": 1}) as (peer, client):
        view = client.call("CreateContainerView", client.content["viewManager"], moref("container", client.content["rootFolder"])
                           + "<type>VirtualMachine</type><recursive>true</recursive>")[0].text
        spec = (f'<specSet><propSet><type>VirtualMachine</type><pathSet>name</pathSet></propSet><objectSet>'
                f'<obj type="ContainerView">{view}</obj><skip>true</skip><selectSet xsi:type="TraversalSpec">'
                f'<name>v</name><type>ContainerView</type><path>view</path><skip>false</skip></selectSet></objectSet>'
                f'</specSet><options/>')
        pc = client.content["propertyCollector"]
        reply = client.call("RetrievePropertiesEx", pc, spec)[0]
        names = [e.text for e in reply.iter("val")]
        token = reply.findtext("token")
        other = Client(peer.port)
        other.login(USER, PASSWORD)
        refused("InvalidProperty", other.call, "ContinueRetrievePropertiesEx", pc, f"<token>{token}</token>")
        reply = client.call("ContinueRetrievePropertiesEx", pc, f"<token>{token}</token>")[0]
        names += [e.text for e in reply.iter("val")]
        equal(sorted(names), ["db", "web"], "both VMs, one a page")
        equal(reply.findtext("token"), None, "the last page")
        token = client.call("RetrievePropertiesEx", pc, spec)[0].findtext("token")
        client.call("CancelRetrievePropertiesEx", pc, f"<token>{token}</token>")
        refused("InvalidProperty", client.call, "ContinueRetrievePropertiesEx", pc, f"<token>{token}</token>")
        fetched = client.call("Fetch", vm(peer, "web"), "<prop>config.uuid</prop>")[0].text
        equal(fetched, client.prop(vm(peer, "web"), "config.uuid").text, "Fetch")
        for path, search in (("Datacenter/vm/web", "FindByInventoryPath"), ("/Datacenter/vm/web", "FindByInventoryPath")):
            found = client.call(search, client.content["searchIndex"], f"<inventoryPath>{path}</inventoryPath>")
            equal("VirtualMachine:" + found[0].text, vm(peer, "web"), path)


def leases(folder):
    with simulated(folder) as (peer, client):
        web = vm(peer, "web")
        refused("InvalidPowerState", client.call, "ExportVm", web)
        lease = export(client, "ExportSnapshot", client.snapshot(web))
        url = client.prop(lease, "info").find("deviceUrl")
        answer, data = client.http("GET", url.findtext("url").replace("https://*", ""))
        equal((answer.status, data[:4], len(data)), (200, b"KDMV", int(url.findtext("fileSize"))), "the stream")
        expect(b"[ds1] web/web.vmdk" in data, "the frozen file was exported")
        equal(url.findtext("sslThumbprint"), peer.thumbprint, "thumbprint")
        manifest = client.call("HttpNfcLeaseGetManifest", lease)[0]
        equal(manifest.findtext("sha1"), hashlib.sha1(data).hexdigest(), "manifest")
        client.call("HttpNfcLeaseProgress", lease, "<percent>50</percent>")
        files = list(folder.glob("export-*.vmdk"))
        equal(len(files), 1, "one export")
        client.call("HttpNfcLeaseComplete", lease)
        expect(not files[0].exists(), "the export is deleted")
        equal(client.http("GET", url.findtext("url").replace("https://*", ""))[0].status, 404, "after the lease")
        lease = export(client, "ExportVm", vm(peer, "db"))
        equal(len(client.prop(lease, "info").findall("deviceUrl")), 2, "disks")
        client.call("HttpNfcLeaseAbort", lease)
        equal(list(folder.glob("export-*.vmdk")), [], "aborted")


def export(client, method, ref):
    lease = "HttpNfcLease:" + client.call(method, ref)[0].text
    wait_for(lambda: client.prop(lease, "state").text == "ready")
    return lease


def folders(folder):
    with simulated(folder) as (peer, client):
        flat = "/folder/web/web-flat.vmdk?dcPath=Datacenter&dsName=ds1"
        stranger = Client(peer.port)
        answer, _ = stranger.http("GET", flat)
        equal((answer.status, answer.getheader("WWW-Authenticate")[:5]), (401, "Basic"), "without a session")
        basic = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        equal(stranger.http("GET", flat, Authorization="Basic " + basic)[0].status, 200, "Basic")
        answer, data = client.http("GET", flat, Range="bytes=256-511")
        equal((answer.status, data), (206, bytes(range(256))), "a range")
        equal(client.http("GET", flat, Range="bytes=99999999-")[0].status, 416, "past the end")
        answer, data = client.http("HEAD", flat)
        equal(answer.getheader("Content-Length"), "1048576", "HEAD")
        equal(client.http("PUT", flat, b"x")[0].status, 500, "a file in use")
        new = "/folder/up/a%20b.bin?dcPath=Datacenter&dsName=ds1"
        equal(client.http("PUT", new, b"hello")[0].status, 201, "PUT")
        equal((peer.store / "up/a b.bin").read_bytes(), b"hello", "the file")
        equal(client.http("POST", new, b"again")[0].status, 409, "POST")
        expect(b"a b.bin" in client.http("GET", "/folder/up?dcPath=Datacenter&dsName=ds1")[1], "listing")
        expect(b"ds1" in client.http("GET", "/folder?dcPath=Datacenter")[1], "datastores")
        equal(client.http("DELETE", new)[0].status, 204, "DELETE")
        equal(client.http("DELETE", new)[0].status, 404, "DELETE again")
        (folder / "secret").write_text("secret")
        (peer.store / "way-out").symlink_to(folder)
        for path in ("way-out/secret", "../secret", "%2e%2e/secret", "web/../../secret", "way-out/new"):
            for method in ("GET", "PUT", "DELETE"):
                client.http(method, f"/folder/{path}?dcPath=Datacenter&dsName=ds1", b"x" if method == "PUT" else None)
                equal((folder / "secret").read_text(), "secret", f"{method} {path}")
                expect(not (folder / "new").exists(), f"{method} {path} leaves the datastore")
        expect(b"secret" not in client.http("GET", "/folder/way-out/secret?dsName=ds1")[1], "read outside")
        service_ticket(peer, client)


def service_ticket(peer, client):
    url = "/folder/web/web.vmx?dsName=ds1"
    spec = ('<spec xsi:type="SessionManagerHttpServiceRequestSpec"><method>httpGet</method>'
            f"<url>https://127.0.0.1{url}</url></spec>")
    ticket = client.call("AcquireGenericServiceTicket", client.content["sessionManager"], spec)[0].findtext("id")
    guest = Client(peer.port)
    cookie = {"Cookie": "vmware_cgi_ticket=" + ticket}
    equal(guest.http("GET", "/folder/web/web.vmdk?dsName=ds1", **cookie)[0].status, 401, "another URL")
    ticket = client.call("AcquireGenericServiceTicket", client.content["sessionManager"], spec)[0].findtext("id")
    cookie = {"Cookie": "vmware_cgi_ticket=" + ticket}
    equal(guest.http("GET", url, **cookie)[0].status, 200, "with a ticket")
    equal(guest.http("GET", url, **cookie)[0].status, 401, "with a used ticket")


def disks(folder):
    with simulated(folder) as (peer, client):
        manager = client.content["virtualDiskManager"]
        name = "<name>[ds1] new/new.vmdk</name>"
        spec = ('<spec xsi:type="FileBackedVirtualDiskSpec"><diskType>thin</diskType><adapterType>lsiLogic</adapterType>'
                "<capacityKb>4096</capacityKb></spec>")
        result = client.run("CreateVirtualDisk_Task", manager, name + spec)
        equal(result.text, "[ds1] new/new.vmdk", "its result")
        refused("FileAlreadyExists", client.run, "CreateVirtualDisk_Task", manager, name + spec)
        client.run("ExtendVirtualDisk_Task", manager, name + "<newCapacityKb>8192</newCapacityKb>")
        equal(peer.made["[ds1] new/new.vmdk"], 8 << 20, "extended")
        equal(client.call("QueryVirtualDiskUuid", manager, name)[0].text[:24], "60 00 C2 93 7b a0 3a 03-", "uuid")
        refused("InvalidDatastore", client.call, "DeleteVirtualDisk_Task", manager, "<name>[no] a.vmdk</name>")
        refused("SystemError", client.run, "CopyVirtualDisk_Task", manager,
                "<sourceName>[ds1] new/new.vmdk</sourceName><destName>[ds1] new/b.vmdk</destName>")
        db = vm(peer, "db")
        change = ('<spec><deviceChange><operation>add</operation><device xsi:type="VirtualDisk"><key>-3</key>'
                  '<backing xsi:type="VirtualDiskFlatVer2BackingInfo"><fileName>[ds1] new/new.vmdk</fileName>'
                  "<diskMode>independent_nonpersistent</diskMode></backing><controllerKey>1000</controllerKey>"
                  "<unitNumber>3</unitNumber><capacityInKB>0</capacityInKB></device></deviceChange></spec>")
        client.run("ReconfigVM_Task", db, change)
        equal(client.disks(db)[2003], (["[ds1] new/new.vmdk"], None, 8 << 20), "attached")
        client.run("ReconfigVM_Task", db, '<spec><deviceChange><operation>remove</operation><device '
                   'xsi:type="VirtualDisk"><key>2003</key><capacityInKB>0</capacityInKB></device></deviceChange></spec>')
        equal(sorted(client.disks(db)), [2000, 2001], "detached")
        client.run("DeleteVirtualDisk_Task", manager, name)
        client.run("PowerOnVM_Task", db)
        refused("InvalidPowerState", client.run, "PowerOnVM_Task", db)


def first_class(folder, catalogue):
    with simulated(folder) as (peer, client):
        store = f'<datastore type="Datastore">{peer.ready["datastores"][0]["moref"]}</datastore>'
        names = {"space": "urn:vim25", "path": "/sdk"}
        this, prefix = client.content["vStorageObjectManager"], {
            "retrieve": "RetrieveVStorageObject", "snapshot": "VStorageObjectCreateSnapshot_Task",
            "details": "RetrieveSnapshotDetails", "changed": "VstorageObjectVCenterQueryChangedDiskAreas"}
        listed = client.call("ListVStorageObject", this, store)
        equal([e.findtext("id") for e in listed], ["2757d89e-0b6f-4c0f-9a5c-3c0f7f6d1a11"], "the disks")
        if catalogue:
            quoted = client.cookie.split("=")[1]
            def head(value):
                return f"<soapenv:Header><vcSessionCookie>{value}</vcSessionCookie></soapenv:Header>"
            client.cookie = None
            names = {"space": "urn:vslm", "path": "/vslm/sdk", "head": head(quoted.strip('"'))}
            content = client.call("RetrieveContent", "VslmServiceInstance:ServiceInstance", **names)[0]
            entry = content.find("vStorageObjectManager")
            this, store = f"{entry.get('type')}:{entry.text}", ""
            prefix = {"retrieve": "VslmRetrieveVStorageObject", "snapshot": "VslmCreateSnapshot_Task",
                      "details": "VslmRetrieveSnapshotDetails", "changed": "VslmQueryChangedDiskAreas"}
            refused("NotAuthenticated", client.call, "VslmListVStorageObjectForSpec", this, "<maxResult>10</maxResult>",
                    **{**names, "head": head(quoted)})
            found = client.call("VslmListVStorageObjectForSpec", this, "<maxResult>10</maxResult>", **names)[0]
            equal(found.findtext("allRecordsReturned"), "true", "all")
        disk = f"<id><id>{listed[0].findtext('id')}</id></id>"
        config = client.call(prefix["retrieve"], this, disk + store, **names)[0].find("config")
        equal((config.findtext("capacityInMB"), config.find("backing").findtext("filePath")),
              ("8", "[ds1] fcd/2757d89e0b6f4c0f9a5c3c0f7f6d1a11.vmdk"), "config")
        task = client.start(prefix["snapshot"], this, disk + store + "<description>d</description>", **names)
        snapshot = task_result(client, task, names, catalogue)
        chosen = disk + store + f"<snapshotId><id>{snapshot}</id></snapshotId>"
        details = client.call(prefix["details"], this, chosen, **names)[0]
        equal(details.findtext("changedBlockTrackingId"), "52 00/7", "details")
        areas = client.call(prefix["changed"], this, chosen + "<startOffset>0</startOffset><changeId>*</changeId>", **names)[0]
        equal(areas.find("changedArea").findtext("length"), str(BLOCK), "areas")


def task_result(client, task, names, catalogue):
    if not catalogue:
        return client.wait(task).findtext("id")
    wait_for(lambda: client.call("VslmQueryInfo", task, **names)[0].findtext("state") == "success")
    return client.call("VslmQueryTaskResult", task, **names)[0].findtext("id")


def faults(folder):
    with simulated(folder, faults={"expired-session-after": 3}) as (peer, client):
        for _ in range(3):
            client.call("CurrentTime", "ServiceInstance:ServiceInstance")
        refused("NotAuthenticated", client.call, "CurrentTime", "ServiceInstance:ServiceInstance")
        peer.fault("expired-session-after", None)
        client.cookie = None
        time.sleep(0.2)
        client.login(USER, PASSWORD)
        peer.fault("http-503-once")
        time.sleep(0.2)
        refused("HTTP 503", client.call, "CurrentTime", "ServiceInstance:ServiceInstance")
        client.call("CurrentTime", "ServiceInstance:ServiceInstance")
        right = ssl.get_server_certificate(("127.0.0.1", peer.port))
        peer.fault("wrong-certificate")
        time.sleep(0.2)
        expect(ssl.get_server_certificate(("127.0.0.1", peer.port)) != right, "another certificate")
        peer.fault("entity-bomb", "CurrentTime")
        peer.fault("endless-xml", "RetrieveInternalContent")
        time.sleep(0.2)
        answer, data = client.post('<CurrentTime xmlns="urn:vim25"><_this type="ServiceInstance">ServiceInstance'
                                   "</_this></CurrentTime>")
        expect(data.count(b"<!ENTITY") == 10 and len(data) < 8192, "a bomb, small on the wire")
        endless(client)
        equal(client.http("POST", "/sdk", "<nonsense")[0].status, 500, "no XML")
        refused("InvalidRequest", client.call, "NoSuchMethod", "ServiceInstance:ServiceInstance")
        equal(client.http("GET", "/sdk/nothing")[0].status, 404, "an unknown document")


def endless(client):
    context = ssl._create_unverified_context()
    import http.client
    link = http.client.HTTPSConnection("127.0.0.1", client.port, context=context, timeout=30)
    body = ('<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body><RetrieveInternalContent '
            'xmlns="urn:vim25"><_this type="ServiceInstance">ServiceInstance</_this></RetrieveInternalContent></e:Body></e:Envelope>')
    link.request("POST", "/sdk", body, {"Cookie": client.cookie})
    answer = link.getresponse()
    expect(len(answer.read(4 << 20)) == 4 << 20, "four megabytes and no end")
    link.close()


def pyvmomi(folder):
    python = "/usr/bin/python3"
    if subprocess.run([python, "-W", "ignore", "-c", "import pyVmomi"], capture_output=True, check=False).returncode:
        raise Skipped("python3-pyvmomi is not installed")
    for faults, *wanted in ({"slow-task": 1500},), ({"vm-question": "Was it moved?"}, "blocked"):
        place = folder / "".join(["all", *wanted])
        place.mkdir()
        with simulated(place, faults=faults) as (peer, client):
            out = subprocess.run([python, "-W", "ignore", HERE / "soap-pyvmomi.py", str(peer.port), USER, PASSWORD,
                                  *wanted], capture_output=True, text=True, check=False, timeout=120)
            equal((out.returncode, out.stdout.split()[-1:], out.stderr), (0, ["done"], ""), "pyVmomi: " + out.stdout)


def start_faults(folder):
    try:
        Peer(PROGRAM, folder, vms=[{"name": "x", "vmx": "[ds1] x.vmx", "disks": [{"key": 2000, "chain": ["[no] x.vmdk"]}]}])
    except RuntimeError as error:
        expect("unknown datastore 'no'" in str(error), str(error))
        return
    raise AssertionError("started")


def at_once(folder):
    """Many clients at a time, while snapshots come and go."""
    with simulated(folder) as (peer, client):
        web, failures = vm(peer, "web"), []

        def read():
            try:
                mine = Client(peer.port)
                mine.login(USER, PASSWORD)
                for _ in range(10):
                    mine.disks(web)
                    mine.props(web, "config", "snapshot", "layoutEx", "runtime")
            except Exception as error:
                failures.append(error)
        readers = [threading.Thread(target=read) for _ in range(4)]
        for reader in readers:
            reader.start()
        for _ in range(6):
            client.run("RemoveSnapshot_Task", client.snapshot(web), "<removeChildren>false</removeChildren>")
        for reader in readers:
            reader.join()
        equal(failures, [], "failures")


with plan() as tap:
    tap.case("sessions: login, cookie, refusals, logout", sessions)
    tap.case("sessions: clone tickets work once", clones)
    tap.case("vCenter 8", profiles, False, 8, 11, "8.0.2.0", 11)
    tap.case("vCenter 7", profiles, False, 7, 7, "7.0.3.0", 7)
    tap.case("vCenter 6.7", profiles, False, 6, 2, "6.7.3", 2)
    tap.case("vCenter 6.0 does not know NfcGetServerNfcLibVersion", profiles, False, 6, 0, "6.0", None)
    tap.case("ESXi 8", profiles, True, 8, 11, "8.0.2.0", 11)
    tap.case("NFC tickets, and privileges taken away", nfc_tickets)
    tap.case("snapshots change chains", snapshots)
    tap.case("change tracking", tracking)
    tap.case("tasks are slow, cancelled, failing, watched", slow_tasks)
    tap.case("DisableMethods, EnableMethods", methods)
    tap.case("properties come in pages; Fetch; SearchIndex", paging)
    tap.case("leases give streams", leases)
    tap.case("/folder: authentication, ranges, nothing outside", folders)
    tap.case("VirtualDiskManager, attach, power", disks)
    tap.case("first class disks", first_class, False)
    tap.case("first class disks of the global catalogue", first_class, True)
    tap.case("faults on request", faults)
    tap.case("a configuration that cannot be is told", start_faults)
    tap.case("many clients at once", at_once)
    tap.case("pyVmomi", pyvmomi)
