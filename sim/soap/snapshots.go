// SPDX-License-Identifier: Apache-2.0

package main

import (
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// snapshot is one moment of a VM that its disks can go back to.
type snapshot struct {
	self    ref
	parent  *snapshot
	object  *simulator.VirtualMachineSnapshot
	tree    types.VirtualMachineSnapshotTree // without children
	disks   []diskConfig                     // as frozen
	ordinal int32
}

var snapshotHandlers = map[string]handler{
	"CreateSnapshot_Task":   createSnapshot,
	"CreateSnapshotEx_Task": createSnapshotEx,
}

// snapshotSpec is what both forms of the call come to.
type snapshotSpec struct {
	name, description string
	memory, quiesce   bool
}

func createSnapshot(c *call) (interface{}, *fault) {
	req := c.Body.(*types.CreateSnapshot_Task)
	return c.createSnapshot(snapshotSpec{req.Name, req.Description, req.Memory, req.Quiesce})
}

func createSnapshotEx(c *call) (interface{}, *fault) {
	req := c.Body.(*types.CreateSnapshotEx_Task)
	return c.createSnapshot(snapshotSpec{req.Name, req.Description, req.Memory, req.QuiesceSpec != nil})
}

func (c *call) createSnapshot(spec snapshotSpec) (interface{}, *fault) {
	m := c.inv.machine(c.This)
	if m == nil {
		return nil, forward
	}
	if spec.name == "" {
		return nil, faultOf(&types.InvalidName{Name: spec.name}, "A snapshot needs a name.")
	}
	return c.start(job{
		name: "createSnapshot", cancelable: true, quiesce: spec.quiesce, machine: m,
		work: func(ref) (types.AnyType, *fault) { return m.takeSnapshot(c.ch, spec) },
	})
}

type disksReply struct {
	Frozen    []diskConfig `json:"frozen"`
	Disks     []diskConfig `json:"disks"`
	Snapshots []struct {
		Snapshot string       `json:"snapshot"`
		Disks    []diskConfig `json:"disks"`
	} `json:"snapshots"`
}

// takeSnapshot has the disks get children, then shows them and what is frozen below.
func (m *machine) takeSnapshot(ch *channel, spec snapshotSpec) (types.AnyType, *fault) {
	object := &simulator.VirtualMachineSnapshot{}
	object.Vm = m.vm.Self
	object.Config = *m.config()
	self := simulator.Map.Put(object).Reference()
	var got disksReply
	no := ch.ask("snapshotCreate", fields{
		"vm": m.ref(), "snapshot": self.Value, "name": spec.name, "quiesce": spec.quiesce, "memory": spec.memory,
	}, &got)
	if no != nil {
		simulator.Map.Remove(self)
		return nil, no
	}
	on := m.poweredOn()
	m.mu.Lock()
	defer m.mu.Unlock()
	s := &snapshot{self: self, object: object, parent: m.snapshots[m.currentSnapshot()], disks: m.frozen(got)}
	m.nextID++
	s.ordinal = m.nextID
	s.tree = types.VirtualMachineSnapshotTree{
		Snapshot: self, Vm: m.vm.Self, Name: spec.name, Description: spec.description, Id: s.ordinal,
		CreateTime: time.Now().UTC(), State: types.VirtualMachinePowerStatePoweredOff, Quiesced: spec.quiesce && on,
		ReplaySupported: types.NewBool(false),
	}
	if on {
		s.tree.State = types.VirtualMachinePowerStatePoweredOn
	}
	if no := m.freeze(s); no != nil {
		return nil, no
	}
	m.snapshots[self] = s
	if no := m.show(got.Disks); no != nil {
		return nil, no
	}
	m.showSnapshots(&self)
	return self, nil
}

// config is the model's, to be copied only.
func (m *machine) config() (config *types.VirtualMachineConfigInfo) {
	simulator.Map.WithLock(m.vm, func() { config = m.vm.Config })
	return config
}

// currentSnapshot is the zero reference where there is none.
func (m *machine) currentSnapshot() (current ref) {
	simulator.Map.WithLock(m.vm, func() {
		if m.vm.Snapshot != nil && m.vm.Snapshot.CurrentSnapshot != nil {
			current = *m.vm.Snapshot.CurrentSnapshot
		}
	})
	return current
}

// frozen is what the snapshot shows: as told, or the disks of before. Tracking that starts with this
// snapshot gives the first changeId to both.
func (m *machine) frozen(got disksReply) []diskConfig {
	if got.Frozen != nil {
		return got.Frozen
	}
	frozen := append([]diskConfig(nil), m.disks...)
	for i := range frozen {
		for _, d := range got.Disks {
			if d.Key == frozen[i].Key && frozen[i].ChangeID == "" {
				frozen[i].ChangeID = d.ChangeID
			}
		}
	}
	return frozen
}

// freeze writes the frozen disks into the snapshot's config.
func (m *machine) freeze(s *snapshot) *fault {
	for i := range s.disks {
		s.disks[i].defaults()
	}
	devices, err := m.inv.devices(s.disks)
	if err != nil {
		return systemError("%v", err)
	}
	update(s.object, types.PropertyChange{Name: "config.hardware.device", Val: devices})
	return nil
}

// showSnapshots rebuilds the tree the VM shows and the children each snapshot names.
func (m *machine) showSnapshots(current *ref) {
	var info *types.VirtualMachineSnapshotInfo
	if len(m.snapshots) > 0 {
		info = &types.VirtualMachineSnapshotInfo{CurrentSnapshot: current, RootSnapshotList: m.branch(nil)}
	}
	for _, s := range m.snapshots {
		var children []ref
		for _, t := range m.branch(s) {
			children = append(children, t.Snapshot)
		}
		update(s.object, types.PropertyChange{Name: "childSnapshot", Val: children})
	}
	simulator.Map.WithLock(m.vm, func() {
		m.vm.RootSnapshot = nil
		for _, s := range m.snapshots {
			if s.parent == nil {
				m.vm.RootSnapshot = append(m.vm.RootSnapshot, s.self)
			}
		}
		m.vm.Snapshot = info
		change := types.PropertyChange{Name: "snapshot"}
		if info != nil {
			change.Val = *info
		}
		simulator.Map.Update(m.vm, []types.PropertyChange{change})
	})
}

// branch lists the snapshots whose parent this is, in the order they were made.
func (m *machine) branch(parent *snapshot) []types.VirtualMachineSnapshotTree {
	var list []types.VirtualMachineSnapshotTree
	for ordinal := int32(1); ordinal <= m.nextID; ordinal++ {
		for _, s := range m.snapshots {
			if s.ordinal == ordinal && s.parent == parent {
				t := s.tree
				t.ChildSnapshotList = m.branch(s)
				list = append(list, t)
			}
		}
	}
	return list
}
