// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/vmware/govmomi/vim25/types"
)

// needs are the privileges the calls of a backup need, as far as the simulator can take them away.
var needs = map[string]string{
	"NfcGetVmFiles":               "VirtualMachine.Provisioning.DiskRandomRead",
	"NfcRandomAccessOpenReadonly": "VirtualMachine.Provisioning.DiskRandomRead",
	"NfcRandomAccessOpenDisk":     "VirtualMachine.Provisioning.DiskRandomAccess",
	"NfcPutVmFiles":               "VirtualMachine.Provisioning.PutVmFiles",
	"NfcFileManagement":           "Datastore.FileManagement",
	"QueryChangedDiskAreas":       "VirtualMachine.Provisioning.DiskRandomRead",
	"CreateSnapshot_Task":         "VirtualMachine.State.CreateSnapshot",
	"CreateSnapshotEx_Task":       "VirtualMachine.State.CreateSnapshot",
	"RemoveSnapshot_Task":         "VirtualMachine.State.RemoveSnapshot",
	"RemoveAllSnapshots_Task":     "VirtualMachine.State.RemoveSnapshot",
	"ConsolidateVMDisks_Task":     "VirtualMachine.State.RemoveSnapshot",
	"RevertToSnapshot_Task":       "VirtualMachine.State.RevertToSnapshot",
	"DisableMethods":              "Global.DisableMethods",
	"EnableMethods":               "Global.EnableMethods",
	"PowerOnVM_Task":              "VirtualMachine.Interact.PowerOn",
	"PowerOffVM_Task":             "VirtualMachine.Interact.PowerOff",
	"ExportVm":                    "VApp.Export",
	"ExportSnapshot":              "VApp.Export",
	"CreateVirtualDisk_Task":      "Datastore.FileManagement",
	"DeleteVirtualDisk_Task":      "Datastore.FileManagement",
	"ExtendVirtualDisk_Task":      "Datastore.FileManagement",
	"CopyVirtualDisk_Task":        "Datastore.FileManagement",
	"MoveVirtualDisk_Task":        "Datastore.FileManagement",
	"SearchDatastore_Task":        "Datastore.Browse",
	"SessionIsActive":             "Sessions.ValidateSession",
}

func (f *front) lacks(privilege string) bool {
	return f.switches.lists("missing-privilege", privilege)
}

// permitted refuses a call whose privilege was taken away.
func (c *call) permitted() *fault {
	privilege := needs[c.Name]
	if req, ok := c.Body.(*types.ReconfigVM_Task); ok && req.Spec.ChangeTrackingEnabled != nil {
		privilege = "VirtualMachine.Config.ChangeTracking"
	}
	if privilege == "" || !c.lacks(privilege) {
		return nil
	}
	return faultOf(&types.NoPermission{Object: c.This, PrivilegeId: privilege}, "Permission to perform this operation was denied.")
}

var privilegeHandlers = map[string]handler{
	"HasPrivilegeOnEntities":     hasPrivilege,
	"HasUserPrivilegeOnEntities": hasUserPrivilege,
	"HasPrivilegeOnEntity":       hasPrivilegeOnOne,
}

type privilegeReply struct {
	Returnval []types.EntityPrivilege `xml:"returnval"`
}

func (c *call) availability(entities []ref, privileges []string) *privilegeReply {
	reply := new(privilegeReply)
	for _, entity := range entities {
		p := types.EntityPrivilege{Entity: entity}
		for _, id := range privileges {
			p.PrivAvailability = append(p.PrivAvailability, types.PrivilegeAvailability{PrivId: id, IsGranted: !c.lacks(id)})
		}
		reply.Returnval = append(reply.Returnval, p)
	}
	return reply
}

func hasPrivilege(c *call) (interface{}, *fault) {
	req := c.Body.(*types.HasPrivilegeOnEntities)
	return c.availability(req.Entity, req.PrivId), nil
}

func hasUserPrivilege(c *call) (interface{}, *fault) {
	req := c.Body.(*types.HasUserPrivilegeOnEntities)
	return c.availability(req.Entities, req.PrivId), nil
}

func hasPrivilegeOnOne(c *call) (interface{}, *fault) {
	reply := new(struct {
		Returnval []bool `xml:"returnval"`
	})
	for _, id := range c.Body.(*types.HasPrivilegeOnEntity).PrivId {
		reply.Returnval = append(reply.Returnval, !c.lacks(id))
	}
	return reply, nil
}
