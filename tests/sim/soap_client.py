# SPDX-License-Identifier: Apache-2.0
"""A vSphere client as small as it gets: HTTPS requests with XML written by hand."""

import http.client
import ssl
import time
import xml.etree.ElementTree as ElementTree
from xml.sax.saxutils import escape

XSI = "{http://www.w3.org/2001/XMLSchema-instance}type"
ENVELOPE = ('<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope '
            'xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" '
            'xmlns:xsd="http://www.w3.org/2001/XMLSchema" '
            'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">{head}<soapenv:Body>{body}</soapenv:Body>'
            '</soapenv:Envelope>')


class Fault(Exception):
    def __init__(self, kind, text, detail):
        super().__init__(f"{kind}: {text}")
        self.kind, self.text, self.detail = kind, text, detail


def strip(element):
    """Names without namespaces."""
    for e in element.iter():
        e.tag = e.tag.rpartition("}")[2]
    return element


class Client:
    def __init__(self, port):
        self.port = port
        self.cookie = None
        self.content = None

    def http(self, method, path, body=None, **headers):
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        link = http.client.HTTPSConnection("127.0.0.1", self.port, context=context, timeout=30)
        if self.cookie and "Cookie" not in headers:
            headers["Cookie"] = self.cookie
        if isinstance(body, str):
            body = body.encode()
        link.request(method, path, body, headers)
        answer = link.getresponse()
        data = answer.read()
        link.close()
        return answer, data

    def post(self, body, path="/sdk", head=""):
        answer, data = self.http("POST", path, ENVELOPE.format(body=body, head=head),
                                 **{"Content-Type": "text/xml; charset=utf-8", "SOAPAction": '"urn:vim25/8.0.2.0"'})
        if answer.getheader("Set-Cookie"):
            self.cookie = answer.getheader("Set-Cookie").split(";")[0]
        return answer, data

    def call(self, method, this, inner="", space="urn:vim25", path="/sdk", head=""):
        """The Response element, or a Fault. `this` is "Type:moid"."""
        kind, _, moid = this.partition(":")
        body = f'<{method} xmlns="{space}"><_this type="{kind}">{escape(moid)}</_this>{inner}</{method}>'
        answer, data = self.post(body, path, head)
        if answer.status not in (200, 500):
            raise Fault(f"HTTP {answer.status}", "", None)
        top = strip(ElementTree.fromstring(data)).find("Body")[0]
        if top.tag == "Fault":
            detail = top.find("detail")[0]
            kind = detail.get(XSI)
            if detail.tag != kind + "Fault":
                raise AssertionError(f"fault element {detail.tag} of type {kind}")
            raise Fault(kind, top.findtext("faultstring"), detail)
        if top.tag != method + "Response":
            raise AssertionError(f"{method} was answered by {top.tag}")
        return top

    def login(self, user, password):
        content = self.call("RetrieveServiceContent", "ServiceInstance:ServiceInstance")[0]
        self.content = {e.tag: f"{e.get('type')}:{e.text}" for e in content if e.get("type")}
        self.about = content.find("about")
        return self.call("Login", self.content["sessionManager"], f"<userName>{escape(user)}</userName>"
                         f"<password>{escape(password)}</password><locale>en_US</locale>")[0]

    def props(self, ref, *paths, options=""):
        kind, _, moid = ref.partition(":")
        spec = "".join(f"<pathSet>{p}</pathSet>" for p in paths)
        reply = self.call("RetrievePropertiesEx", self.content["propertyCollector"],
                          f"<specSet><propSet><type>{kind}</type>{spec}</propSet><objectSet><obj type=\"{kind}\">"
                          f"{escape(moid)}</obj><skip>false</skip></objectSet></specSet><options>{options}</options>")
        return {p.findtext("name"): p.find("val") for p in reply.iter("propSet")}

    def prop(self, ref, path):
        return self.props(ref, path).get(path)

    def start(self, method, this, inner="", **options):
        task = self.call(method, this, inner, **options)[0]
        return f"{task.get('type')}:{task.text}"

    def wait(self, task):
        """The task's result element (or None); a failed task is a Fault."""
        for _ in range(400):
            info = self.prop(task, "info")
            if info.findtext("state") == "success":
                return info.find("result")
            if info.findtext("state") == "error":
                error = info.find("error")
                raise Fault(error.find("fault").get(XSI), error.findtext("localizedMessage"), error.find("fault"))
            time.sleep(0.05)
        raise AssertionError(f"{task} does not end")

    def run(self, method, this, inner="", **options):
        return self.wait(self.start(method, this, inner, **options))

    def disks(self, ref):
        """key -> (chain leaf first, changeId, capacity) of a VM or snapshot."""
        found = {}
        for device in self.prop(ref, "config.hardware.device"):
            if device.get(XSI) != "VirtualDisk":
                continue
            chain, backing = [], device.find("backing")
            change = backing.findtext("changeId")
            while backing is not None:
                chain.append(backing.findtext("fileName"))
                backing = backing.find("parent")
            found[int(device.findtext("key"))] = (chain, change, int(device.findtext("capacityInBytes")))
        return found

    def snapshot(self, vm, name="s", quiesce="false"):
        result = self.run("CreateSnapshot_Task", vm, f"<name>{name}</name><description>d</description>"
                          f"<memory>false</memory><quiesce>{quiesce}</quiesce>")
        return f"VirtualMachineSnapshot:{result.text}"
