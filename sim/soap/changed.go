// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/vmware/govmomi/vim25/types"
)

var changedHandlers = map[string]handler{"QueryChangedDiskAreas": queryChanged}

type changedReply struct {
	Returnval types.DiskChangeInfo `xml:"returnval"`
}

func fileFault(path, format string, args ...interface{}) *fault {
	return faultOf(&types.FileFault{File: path}, format, args...)
}

func queryChanged(c *call) (interface{}, *fault) {
	req := c.Body.(*types.QueryChangedDiskAreas)
	m := c.inv.machine(c.This)
	if m == nil {
		return nil, notFoundFault(c.This)
	}
	disk, no := m.diskAt(req.Snapshot, req.DeviceKey)
	if no != nil {
		return nil, no
	}
	if req.StartOffset < 0 || req.StartOffset > disk.CapacityBytes {
		return nil, invalidArgument("startOffset")
	}
	path := disk.Chain[0]
	if req.Snapshot == nil && m.poweredOn() {
		return nil, fileFault(path, "Error caused by file %s", path)
	}
	if disk.ChangeID == "" && req.ChangeId != "*" {
		return nil, fileFault(path, "Change tracking is not active for %s", path)
	}
	args := fields{"vm": m.ref(), "snapshot": nil, "key": req.DeviceKey, "start": req.StartOffset, "changeId": req.ChangeId}
	if req.Snapshot != nil {
		args["snapshot"] = req.Snapshot.Value
	}
	return c.changed(args, path)
}

// diskAt is the disk as it was at a snapshot, or as it is.
func (m *machine) diskAt(at *ref, key int32) (*diskConfig, *fault) {
	m.mu.Lock()
	defer m.mu.Unlock()
	disks := m.disks
	if at != nil {
		s := m.snapshots[*at]
		if s == nil {
			return nil, notFoundFault(*at)
		}
		disks = s.disks
	}
	for i := range disks {
		if disks[i].Key == key {
			d := disks[i]
			return &d, nil
		}
	}
	return nil, faultOf(&types.NotFound{}, "The virtual machine has no disk with the key %d.", key)
}

// changed asks for one page of areas.
func (c *call) changed(args fields, path string) (interface{}, *fault) {
	var got struct {
		Start  int64      `json:"start"`
		Length int64      `json:"length"`
		Areas  [][2]int64 `json:"areas"`
	}
	no := c.ch.ask("changed", args, &got)
	if no != nil {
		if f, ok := no.detail.(*types.FileFault); ok {
			f.File = path
		}
		return nil, no
	}
	reply := &changedReply{types.DiskChangeInfo{StartOffset: got.Start, Length: got.Length}}
	for _, a := range got.Areas {
		reply.Returnval.ChangedArea = append(reply.Returnval.ChangedArea,
			types.DiskChangeExtent{Start: a[0], Length: a[1]})
	}
	return reply, nil
}
