// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

func init() {
	snapshotHandlers["RemoveSnapshot_Task"] = removeSnapshot
	snapshotHandlers["RemoveAllSnapshots_Task"] = removeAllSnapshots
	snapshotHandlers["RevertToSnapshot_Task"] = revertToSnapshot
	snapshotHandlers["RevertToCurrentSnapshot_Task"] = revertToCurrent
	snapshotHandlers["ConsolidateVMDisks_Task"] = consolidate
}

// snapshotCalled finds the snapshot a call is made on, and its VM.
func (c *call) snapshotCalled() (*machine, *snapshot, *fault) {
	for _, m := range c.inv.all() {
		m.mu.Lock()
		s := m.snapshots[c.This]
		m.mu.Unlock()
		if s != nil {
			return m, s, nil
		}
	}
	if simulator.Map.Get(c.This) != nil {
		return nil, nil, forward // of a VM that the library made
	}
	return nil, nil, notFoundFault(c.This)
}

func removeSnapshot(c *call) (interface{}, *fault) {
	req := c.Body.(*types.RemoveSnapshot_Task)
	m, s, no := c.snapshotCalled()
	if no != nil {
		return nil, no
	}
	merge := req.Consolidate == nil || *req.Consolidate
	return c.start(job{name: "removeSnapshot", machine: m, work: func(ref) (types.AnyType, *fault) {
		list := []*snapshot{s}
		if req.RemoveChildren {
			list = m.below(s)
		}
		return nil, m.removeSnapshots(c.ch, list, merge)
	}})
}

func removeAllSnapshots(c *call) (interface{}, *fault) {
	req := c.Body.(*types.RemoveAllSnapshots_Task)
	m := c.inv.machine(c.This)
	if m == nil {
		return nil, forward
	}
	merge := req.Consolidate == nil || *req.Consolidate
	return c.start(job{name: "removeAllSnapshots", machine: m, work: func(ref) (types.AnyType, *fault) {
		return nil, m.removeSnapshots(c.ch, m.below(nil), merge)
	}})
}

// below lists a snapshot's descendants, deepest first, and the snapshot itself last; nil: all.
func (m *machine) below(top *snapshot) []*snapshot {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []*snapshot
	for ordinal := m.nextID; ordinal > 0; ordinal-- {
		for _, s := range m.snapshots {
			if s.ordinal == ordinal && s.under(top) {
				list = append(list, s)
			}
		}
	}
	return list
}

func (s *snapshot) under(top *snapshot) bool {
	for at := s; at != nil; at = at.parent {
		if at == top {
			return true
		}
	}
	return top == nil
}

// removeSnapshots takes them one by one; without merging, their disks stay until consolidated.
func (m *machine) removeSnapshots(ch *channel, list []*snapshot, merge bool) *fault {
	for _, s := range list {
		if merge {
			if no := m.merge(ch, s.self); no != nil {
				return no
			}
		}
		m.mu.Lock()
		if !merge {
			m.orphans = append(m.orphans, s.self)
		}
		m.forget(s)
		needed := len(m.orphans) > 0
		m.mu.Unlock()
		simulator.Map.Remove(s.self)
		m.showConsolidation(needed)
	}
	return nil
}

// merge has the files of one snapshot folded away and shows what became of the disks.
func (m *machine) merge(ch *channel, self ref) *fault {
	var got disksReply
	if no := ch.ask("snapshotRemove", fields{"vm": m.ref(), "snapshot": self.Value}, &got); no != nil {
		return no
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	before := m.disks
	if no := m.show(got.Disks); no != nil {
		return no
	}
	return m.refreeze(before, got)
}

// refreeze brings the frozen chains of the other snapshots up to date: as told, or by leaving out
// the files that are gone from the VM's own chain.
func (m *machine) refreeze(before []diskConfig, got disksReply) *fault {
	gone := make(map[string]bool)
	for _, d := range before {
		for _, file := range d.Chain {
			gone[file] = true
		}
	}
	for _, d := range got.Disks {
		for _, file := range d.Chain {
			delete(gone, file)
		}
	}
	for _, s := range m.snapshots {
		s.disks = without(s.disks, gone)
		for _, told := range got.Snapshots {
			if told.Snapshot == s.self.Value {
				s.disks = told.Disks
			}
		}
		if no := m.freeze(s); no != nil {
			return no
		}
	}
	return nil
}

func without(disks []diskConfig, gone map[string]bool) []diskConfig {
	list := append([]diskConfig(nil), disks...)
	for i := range list {
		var chain []string
		for _, file := range list[i].Chain {
			if !gone[file] {
				chain = append(chain, file)
			}
		}
		if len(chain) > 0 {
			list[i].Chain = chain
		}
	}
	return list
}

// forget takes a snapshot out of the tree; its children become its parent's.
func (m *machine) forget(s *snapshot) {
	current := m.currentSnapshot()
	delete(m.snapshots, s.self)
	for _, other := range m.snapshots {
		if other.parent == s {
			other.parent = s.parent
		}
	}
	next := &current
	if current == s.self || current.Value == "" {
		next = nil
		if current == s.self && s.parent != nil {
			next = &s.parent.self
		}
	}
	m.showSnapshots(next)
}

func revertToSnapshot(c *call) (interface{}, *fault) {
	m, s, no := c.snapshotCalled()
	if no != nil {
		return nil, no
	}
	return c.revert(m, s)
}

func revertToCurrent(c *call) (interface{}, *fault) {
	m := c.inv.machine(c.This)
	if m == nil {
		return nil, forward
	}
	current := m.currentSnapshot()
	m.mu.Lock()
	s := m.snapshots[current]
	m.mu.Unlock()
	if s == nil {
		return nil, faultOf(&types.NotFound{}, "The virtual machine has no snapshot to revert to.")
	}
	return c.revert(m, s)
}

func (c *call) revert(m *machine, s *snapshot) (interface{}, *fault) {
	return c.start(job{name: "revertToSnapshot", machine: m, work: func(ref) (types.AnyType, *fault) {
		if m.poweredOn() {
			if no := m.power(c.ch, false); no != nil {
				return nil, no
			}
		}
		var got disksReply
		if no := c.ch.ask("snapshotRevert", fields{"vm": m.ref(), "snapshot": s.self.Value}, &got); no != nil {
			return nil, no
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		if no := m.show(got.Disks); no != nil {
			return nil, no
		}
		m.showSnapshots(&s.self)
		return nil, nil
	}})
}

func consolidate(c *call) (interface{}, *fault) {
	m := c.inv.machine(c.This)
	if m == nil {
		return nil, notFoundFault(c.This)
	}
	return c.start(job{name: "consolidateDisks", machine: m, work: func(ref) (types.AnyType, *fault) {
		m.mu.Lock()
		list := append([]ref(nil), m.orphans...)
		m.mu.Unlock()
		for _, self := range list {
			if no := m.merge(c.ch, self); no != nil {
				return nil, no
			}
			m.mu.Lock()
			m.orphans = m.orphans[1:]
			m.mu.Unlock()
		}
		m.showConsolidation(false)
		return nil, nil
	}})
}
