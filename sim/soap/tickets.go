// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/vmware/govmomi/vim25/types"
)

var ticketHandlers = map[string]handler{
	"RetrieveInternalContent":     internalContent,
	"NfcGetVmFiles":               func(c *call) (interface{}, *fault) { return c.filesTicket("read") },
	"NfcPutVmFiles":               func(c *call) (interface{}, *fault) { return c.filesTicket("files") },
	"NfcRandomAccessOpenReadonly": func(c *call) (interface{}, *fault) { return c.diskTicket("readDisk") },
	"NfcRandomAccessOpenDisk":     func(c *call) (interface{}, *fault) { return c.diskTicket("write") },
	"NfcFileManagement":           datastoreTicket,
	"NfcSystemManagement":         systemTicket,
	"NfcGetServerNfcLibVersion":   nfcLibVersion,
}

// nfcService is the reference RetrieveInternalContent gives.
func (f *front) nfcService() ref {
	if f.conf.ESXi {
		return ref{Type: "NfcService", Value: "ha-nfc-service"}
	}
	return ref{Type: "NfcService", Value: "nfcService"}
}

type internalReply struct {
	Returnval struct {
		AgentManager          ref `xml:"agentManager"`
		LlProvisioningManager ref `xml:"llProvisioningManager"`
		DiskManager           ref `xml:"diskManager"`
		ProxyService          ref `xml:"proxyService"`
		NfcService            ref `xml:"nfcService"`
	} `xml:"returnval"`
}

func internalContent(c *call) (interface{}, *fault) {
	reply := new(internalReply)
	prefix := ""
	if c.conf.ESXi {
		prefix = "ha-"
	}
	reply.Returnval.AgentManager = ref{Type: "AgentManager", Value: prefix + "agentManager"}
	reply.Returnval.LlProvisioningManager = ref{Type: "HostLowLevelProvisioningManager", Value: prefix + "low-level-provisioning-manager"}
	reply.Returnval.DiskManager = ref{Type: "HostDiskManager", Value: prefix + "disk-manager"}
	reply.Returnval.ProxyService = ref{Type: "ProxyService", Value: prefix + "proxy-service"}
	reply.Returnval.NfcService = c.nfcService()
	return reply, nil
}

// service checks that the call is made on the NFC service.
func (c *call) service() *fault {
	if c.This != c.nfcService() {
		return notFoundFault(c.This)
	}
	return nil
}

func (c *call) filesTicket(kind string) (interface{}, *fault) {
	m, no := c.ticketVM(c.Body.(*nfcVM).VM)
	if no != nil {
		return nil, no
	}
	return c.ticket(kind, fields{"vm": m.ref()})
}

func (c *call) diskTicket(kind string) (interface{}, *fault) {
	req := c.Body.(*nfcDisk)
	m, no := c.ticketVM(req.VM)
	if no != nil {
		return nil, no
	}
	if req.DiskDeviceKey == nil || !m.hasDisk(*req.DiskDeviceKey) {
		return nil, invalidArgument("diskDeviceKey")
	}
	if no := c.knownHost(req.HostForAccess); no != nil {
		return nil, no
	}
	return c.ticket(kind, fields{"vm": m.ref(), "key": *req.DiskDeviceKey})
}

func (c *call) ticketVM(vm *ref) (*machine, *fault) {
	if no := c.service(); no != nil {
		return nil, no
	}
	if vm == nil {
		return nil, invalidArgument("vm")
	}
	m := c.inv.machine(*vm)
	if m == nil {
		return nil, notFoundFault(*vm)
	}
	return m, nil
}

func (c *call) knownHost(host *ref) *fault {
	if host != nil && *host != c.inv.host.Self {
		return notFoundFault(*host)
	}
	return nil
}

func datastoreTicket(c *call) (interface{}, *fault) {
	if no := c.service(); no != nil {
		return nil, no
	}
	req := c.Body.(*nfcFiles)
	if req.Ds == nil {
		return nil, invalidArgument("ds")
	}
	if c.inv.datastoreByRef(*req.Ds) == nil {
		return nil, notFoundFault(*req.Ds)
	}
	if no := c.knownHost(req.HostForAccess); no != nil {
		return nil, no
	}
	return c.ticket("files", fields{"datastore": req.Ds.Value})
}

func systemTicket(c *call) (interface{}, *fault) {
	if no := c.service(); no != nil {
		return nil, no
	}
	req := c.Body.(*nfcHost)
	host := req.Host
	if host == nil {
		host = req.HostForAccess
	}
	if host == nil && !c.conf.ESXi {
		return nil, invalidArgument("host")
	}
	if no := c.knownHost(host); no != nil {
		return nil, no
	}
	return c.ticket("system", fields{})
}

type ticketReply struct {
	Returnval types.HostServiceTicket `xml:"returnval"`
}

// ticket asks the NFC side for one; on ESXi the host is left out, the client is connected to it.
func (c *call) ticket(kind string, args fields) (interface{}, *fault) {
	var got struct {
		SessionID string `json:"sessionId"`
		Port      int32  `json:"port"`
		Service   string `json:"service"`
	}
	args["kind"] = kind
	if no := c.ch.ask("ticket", args, &got); no != nil {
		return nil, no
	}
	t := types.HostServiceTicket{
		Port: got.Port, SslThumbprint: c.conf.Thumbprint, Service: got.Service,
		ServiceVersion: "1.1", SessionId: got.SessionID,
	}
	if t.Port == 0 {
		t.Port = c.conf.NfcPort
	}
	if !c.conf.ESXi {
		t.Host = c.conf.NfcHost
	}
	if t.Service == "" {
		t.Service = map[bool]string{false: "vpxa-nfc", true: "nfc"}[c.conf.ESXi]
	}
	return &ticketReply{t}, nil
}

type intReply struct {
	Returnval int `xml:"returnval"`
}

func nfcLibVersion(c *call) (interface{}, *fault) {
	if c.conf.Profile == 6 && *c.conf.NfcVersion == 0 {
		return nil, faultOf(&types.InvalidRequest{}, "Unable to resolve WSDL method name NfcGetServerNfcLibVersion")
	}
	if no := c.service(); no != nil {
		return nil, no
	}
	req := c.Body.(*nfcHost)
	if req.HostForAccess == nil {
		return nil, invalidArgument("hostForAccess")
	}
	if no := c.knownHost(req.HostForAccess); no != nil {
		return nil, no
	}
	return &intReply{*c.conf.NfcVersion}, nil
}
