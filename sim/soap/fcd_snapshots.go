// SPDX-License-Identifier: Apache-2.0

package main

import (
	"time"

	"github.com/google/uuid"
	"github.com/vmware/govmomi/vim25/types"
)

func (s *fcds) snapshots(d fcd) []*fcdSnapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*fcdSnapshot(nil), s.snaps[d.path]...)
}

func snapshotFcd(c *call) (interface{}, *fault) {
	d, no := c.fcd()
	if no != nil {
		return nil, no
	}
	s := &fcdSnapshot{id: uuid.NewString(), description: c.text("Description"), created: time.Now().UTC()}
	return c.start(job{name: "createSnapshot", cancelable: true, work: func(ref) (types.AnyType, *fault) {
		var got disksReply
		if no := c.ch.ask("snapshotCreate", fields{"disk": d.path, "snapshot": s.id}, &got); no != nil {
			return nil, no
		}
		frozen := got.Frozen
		if len(frozen) == 0 {
			return nil, systemError("the snapshot of '%s' has no frozen disk", d.path)
		}
		s.file, s.changeID = frozen[0].Chain[0], frozen[0].ChangeID
		c.fcds.follow(d.path, got)
		c.fcds.mu.Lock()
		c.fcds.snaps[d.path] = append(c.fcds.snaps[d.path], s)
		c.fcds.mu.Unlock()
		return types.ID{Id: s.id}, nil
	}})
}

// fcdSnapshot finds the snapshot a call names.
func (c *call) fcdSnapshot() (fcd, *fcdSnapshot, *fault) {
	d, no := c.fcd()
	if no != nil {
		return d, nil, no
	}
	id, _ := member[types.ID](c, "SnapshotId")
	for _, s := range c.fcds.snapshots(d) {
		if s.id == id.Id {
			return d, s, nil
		}
	}
	return d, nil, faultOf(&types.NotFound{}, "The snapshot could not be found.")
}

type fcdSnapshotsReply struct {
	Returnval types.VStorageObjectSnapshotInfo `xml:"returnval"`
}

func fcdSnapshots(c *call) (interface{}, *fault) {
	d, no := c.fcd()
	if no != nil {
		return nil, no
	}
	reply := new(fcdSnapshotsReply)
	for _, s := range c.fcds.snapshots(d) {
		reply.Returnval.Snapshots = append(reply.Returnval.Snapshots, types.VStorageObjectSnapshotInfoVStorageObjectSnapshot{
			Id: &types.ID{Id: s.id}, CreateTime: s.created, Description: s.description,
		})
	}
	return reply, nil
}

type fcdDetailsReply struct {
	Returnval types.VStorageObjectSnapshotDetails `xml:"returnval"`
}

func fcdSnapshotDetails(c *call) (interface{}, *fault) {
	_, s, no := c.fcdSnapshot()
	if no != nil {
		return nil, no
	}
	return &fcdDetailsReply{types.VStorageObjectSnapshotDetails{Path: s.file, ChangedBlockTrackingId: s.changeID}}, nil
}

func fcdChanged(c *call) (interface{}, *fault) {
	d, s, no := c.fcdSnapshot()
	if no != nil {
		return nil, no
	}
	start, _ := member[int64](c, "StartOffset")
	if start < 0 {
		return nil, invalidArgument("startOffset")
	}
	args := fields{"disk": d.path, "snapshot": s.id, "key": 0, "start": start, "changeId": c.text("ChangeId")}
	return c.changed(args, s.file)
}

func deleteFcdSnapshot(c *call) (interface{}, *fault) {
	d, s, no := c.fcdSnapshot()
	if no != nil {
		return nil, no
	}
	return c.start(job{name: "deleteSnapshot", work: func(ref) (types.AnyType, *fault) {
		var got disksReply
		if no := c.ch.ask("snapshotRemove", fields{"disk": d.path, "snapshot": s.id}, &got); no != nil {
			return nil, no
		}
		c.fcds.follow(d.path, got)
		c.fcds.mu.Lock()
		defer c.fcds.mu.Unlock()
		var left []*fcdSnapshot
		for _, other := range c.fcds.snaps[d.path] {
			if other != s {
				left = append(left, other)
			}
		}
		c.fcds.snaps[d.path] = left
		return nil, nil
	}})
}
