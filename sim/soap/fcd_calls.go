// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/vmware/govmomi/vim25/types"
)

var fcdHandlers = map[string]handler{}

// The calls of the vim25 managers: vCenter's names, and ESXi's.
func init() {
	for name, h := range map[string]handler{
		"ListVStorageObject":              listFcds,
		"RetrieveVStorageObject":          retrieveFcd,
		"SetVStorageObjectControlFlags":   func(c *call) (interface{}, *fault) { return c.controlFlags(true) },
		"ClearVStorageObjectControlFlags": func(c *call) (interface{}, *fault) { return c.controlFlags(false) },
		"DeleteVStorageObject_Task":       deleteFcd,
	} {
		fcdHandlers[name] = h
		fcdHandlers["Host"+name] = h
	}
	for name, h := range map[string]handler{
		"CreateDisk_Task": createFcd, "HostCreateDisk_Task": createFcd,
		"ExtendDisk_Task": extendFcd, "HostExtendDisk_Task": extendFcd,
		"VStorageObjectCreateSnapshot_Task":          snapshotFcd,
		"HostVStorageObjectCreateSnapshot_Task":      snapshotFcd,
		"RetrieveSnapshotInfo":                       fcdSnapshots,
		"HostVStorageObjectRetrieveSnapshotInfo":     fcdSnapshots,
		"RetrieveSnapshotDetails":                    fcdSnapshotDetails,
		"DeleteSnapshot_Task":                        deleteFcdSnapshot,
		"HostVStorageObjectDeleteSnapshot_Task":      deleteFcdSnapshot,
		"VstorageObjectVCenterQueryChangedDiskAreas": fcdChanged,
		"RetrieveVStorageObjectAssociations":         fcdAssociations,
	} {
		fcdHandlers[name] = h
	}
}

type idsReply struct {
	Returnval []types.ID `xml:"returnval"`
}

func listFcds(c *call) (interface{}, *fault) {
	store, no := c.fcdStore()
	if no != nil {
		return nil, no
	}
	reply := new(idsReply)
	for _, d := range c.fcds.list(store) {
		reply.Returnval = append(reply.Returnval, types.ID{Id: d.id})
	}
	return reply, nil
}

type fcdReply struct {
	Returnval *types.VStorageObject `xml:"returnval"`
}

func retrieveFcd(c *call) (interface{}, *fault) {
	d, no := c.fcd()
	if no != nil {
		return nil, no
	}
	object, no := c.fcds.object(d)
	if no != nil {
		return nil, no
	}
	return &fcdReply{object}, nil
}

func (c *call) controlFlags(on bool) (interface{}, *fault) {
	d, no := c.fcd()
	if no != nil {
		return nil, no
	}
	flags, _ := member[[]string](c, "ControlFlags")
	for _, flag := range flags {
		switch flag {
		case "enableChangedBlockTracking":
			if no := c.ch.ask("tracking", fields{"disk": d.path, "on": on}, nil); no != nil {
				return nil, no
			}
			c.fcds.set(c.fcds.track, d.path, on)
		case "keepAfterDeleteVm":
			c.fcds.set(c.fcds.keep, d.path, on)
		case "disableRelocation":
		default:
			return nil, invalidArgument("controlFlags")
		}
	}
	return nil, nil
}

func (s *fcds) set(in map[string]bool, path string, on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	in[path] = on
}

func createFcd(c *call) (interface{}, *fault) {
	spec, ok := member[types.VslmCreateSpec](c, "Spec")
	if !ok || spec.CapacityInMB <= 0 {
		return nil, invalidArgument("spec")
	}
	backing, ok := spec.BackingSpec.(*types.VslmCreateSpecDiskFileBackingSpec)
	if !ok {
		return nil, invalidArgument("spec.backingSpec")
	}
	store := c.inv.datastoreByRef(backing.Datastore)
	if store == nil {
		return nil, notFoundFault(backing.Datastore)
	}
	name := strings.ReplaceAll(uuid.NewString(), "-", "")
	d := fcd{path: "[" + store.name + "] fcd/" + name + ".vmdk", store: store, created: time.Now().UTC()}
	d.id = fcdID(d.path)
	kind := backing.ProvisioningType
	if kind == "" || kind == "lazyZeroedThick" {
		kind = map[string]string{"": "thin", "lazyZeroedThick": "preallocated"}[kind]
	}
	args := fields{"path": d.path, "capacityBytes": spec.CapacityInMB << 20, "diskType": kind, "adapterType": "lsiLogic"}
	return c.start(job{name: "createDisk", work: func(ref) (types.AnyType, *fault) {
		if no := c.ch.ask("createDisk", args, nil); no != nil {
			return nil, no
		}
		c.fcds.mu.Lock()
		c.fcds.names[d.path] = spec.Name
		c.fcds.mu.Unlock()
		object, no := c.fcds.object(d)
		if no != nil {
			return nil, no
		}
		return *object, nil
	}})
}

// forget leaves nothing of a disk to one that comes to its path later.
func (s *fcds) forget(path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.leaf, path)
	delete(s.names, path)
	delete(s.track, path)
	delete(s.keep, path)
	delete(s.snaps, path)
}

func deleteFcd(c *call) (interface{}, *fault) {
	d, no := c.fcd()
	if no != nil {
		return nil, no
	}
	return c.start(job{name: "deleteVStorageObject", work: func(ref) (types.AnyType, *fault) {
		if len(c.fcds.snapshots(d)) > 0 {
			return nil, faultOf(&types.InvalidState{}, "The disk has snapshots.")
		}
		no := c.ch.ask("deleteDisk", fields{"path": d.path}, nil)
		if no == nil {
			c.fcds.forget(d.path)
		}
		return nil, no
	}})
}

func extendFcd(c *call) (interface{}, *fault) {
	d, no := c.fcd()
	if no != nil {
		return nil, no
	}
	size, _ := member[int64](c, "NewCapacityInMB")
	return c.start(job{name: "extendDisk", work: func(ref) (types.AnyType, *fault) {
		return nil, c.ch.ask("extendDisk", fields{"path": d.path, "capacityBytes": size << 20}, nil)
	}})
}

type associationsReply struct {
	Returnval []types.VStorageObjectAssociations `xml:"returnval"`
}

// fcdAssociations tells which VM has the disk.
func fcdAssociations(c *call) (interface{}, *fault) {
	specs, _ := member[[]types.RetrieveVStorageObjSpec](c, "Ids")
	reply := new(associationsReply)
	for _, spec := range specs {
		entry := types.VStorageObjectAssociations{Id: spec.Id}
		d, no := c.fcds.find(spec.Id.Id, c.inv.datastoreByRef(spec.Datastore))
		if no != nil {
			entry.Fault = no.localized()
		} else {
			entry.VmDiskAssociations = c.usersOf(d.path)
		}
		reply.Returnval = append(reply.Returnval, entry)
	}
	return reply, nil
}

func (c *call) usersOf(path string) (list []types.VStorageObjectAssociationsVmDiskAssociations) {
	for _, m := range c.inv.all() {
		m.mu.Lock()
		for _, disk := range m.disks {
			if contains(disk.Chain, path) {
				list = append(list, types.VStorageObjectAssociationsVmDiskAssociations{VmId: m.ref(), DiskKey: disk.Key})
			}
		}
		m.mu.Unlock()
	}
	return list
}
