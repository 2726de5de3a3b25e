// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/types"
)

var machineHandlers = map[string]handler{
	"PowerOnVM_Task":  func(c *call) (interface{}, *fault) { return c.powerTask("powerOn", true) },
	"PowerOffVM_Task": func(c *call) (interface{}, *fault) { return c.powerTask("powerOff", false) },
	"ReconfigVM_Task": reconfigure,
}

func (c *call) powerTask(name string, on bool) (interface{}, *fault) {
	m := c.inv.machine(c.This)
	if m == nil {
		return nil, forward
	}
	return c.start(job{name: name, machine: m, work: func(ref) (types.AnyType, *fault) {
		if m.poweredOn() == on {
			state := powerState(on)
			return nil, faultOf(&types.InvalidPowerState{RequestedState: state, ExistingState: state},
				"The attempted operation cannot be performed in the current state (%s).", state)
		}
		return nil, m.power(c.ch, on)
	}})
}

func powerState(on bool) types.VirtualMachinePowerState {
	if on {
		return types.VirtualMachinePowerStatePoweredOn
	}
	return types.VirtualMachinePowerStatePoweredOff
}

// power starts or stops the VM's writes and shows its state.
func (m *machine) power(ch *channel, on bool) *fault {
	var got disksReply
	if no := ch.ask("power", fields{"vm": m.ref(), "on": on}, &got); no != nil {
		return no
	}
	state := powerState(on)
	update(m.vm, types.PropertyChange{Name: "runtime.powerState", Val: state},
		types.PropertyChange{Name: "summary.runtime.powerState", Val: state})
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.show(got.Disks)
}

func reconfigure(c *call) (interface{}, *fault) {
	m := c.inv.machine(c.This)
	if m == nil {
		return nil, forward
	}
	req := c.Body.(*types.ReconfigVM_Task)
	return c.start(job{name: "reconfigure", machine: m, work: func(ref) (types.AnyType, *fault) {
		if on := req.Spec.ChangeTrackingEnabled; on != nil {
			if no := m.track(c, *on); no != nil {
				return nil, no
			}
		}
		for i := range req.Spec.DeviceChange {
			if no := m.changeDevice(c.ch, req.Spec.DeviceChange[i].GetVirtualDeviceConfigSpec()); no != nil {
				return nil, no
			}
		}
		return nil, m.reconfigureRest(c, req)
	}})
}

// track switches change tracking; the ids come with the next snapshot or power change.
func (m *machine) track(c *call, on bool) *fault {
	if _, refused := c.switches.get("tracking-refused"); refused && on {
		return faultOf(&types.NotSupported{}, "The virtual machine does not support changed block tracking.")
	}
	m.mu.Lock()
	same, snapshots := m.tracking == on, len(m.snapshots)
	m.mu.Unlock()
	if same {
		return nil
	}
	if on && snapshots > 0 {
		return faultOf(&types.InvalidState{},
			"Change tracking cannot be enabled while the virtual machine has snapshots.")
	}
	var got disksReply
	if no := c.ch.ask("tracking", fields{"vm": m.ref(), "on": on}, &got); no != nil {
		return no
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tracking = on
	return m.show(got.Disks)
}

// changeDevice carries out what touches disks; nothing else of a VM's hardware has files.
func (m *machine) changeDevice(ch *channel, spec *types.VirtualDeviceConfigSpec) *fault {
	disk, ok := spec.Device.(*types.VirtualDisk)
	if !ok {
		return nil
	}
	switch spec.Operation {
	case types.VirtualDeviceConfigSpecOperationAdd:
		return m.attach(ch, spec, disk)
	case types.VirtualDeviceConfigSpecOperationRemove:
		if !m.hasDisk(disk.Key) {
			return invalidDevice(spec)
		}
		destroy := spec.FileOperation == types.VirtualDeviceConfigSpecFileOperationDestroy
		return m.changeDisks(ch, "detach", fields{"key": disk.Key, "destroy": destroy})
	}
	return m.extend(ch, spec, disk)
}

func invalidDevice(spec *types.VirtualDeviceConfigSpec) *fault {
	return faultOf(&types.InvalidDeviceSpec{}, "Invalid configuration for device '%d'.", spec.Device.GetVirtualDevice().Key)
}

// extend is the edit of a disk: only its capacity may change.
func (m *machine) extend(ch *channel, spec *types.VirtualDeviceConfigSpec, disk *types.VirtualDisk) *fault {
	if !m.hasDisk(disk.Key) {
		return invalidDevice(spec)
	}
	now := m.diskByKey(disk.Key)
	size := disk.CapacityInBytes
	if size == 0 {
		size = disk.CapacityInKB * 1024
	}
	if size <= now.CapacityBytes {
		return nil
	}
	if len(now.Chain) > 1 {
		return faultOf(&types.InvalidState{}, "A disk with snapshots cannot be extended.")
	}
	args := fields{"path": now.Chain[0], "capacityBytes": size}
	if no := ch.ask("extendDisk", args, nil); no != nil {
		return no
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	disks := append([]diskConfig(nil), m.disks...)
	for i := range disks {
		if disks[i].Key == disk.Key {
			disks[i].CapacityBytes = size
		}
	}
	return m.show(disks)
}

// changeDisks asks for an attach or detach and shows the result.
func (m *machine) changeDisks(ch *channel, op string, args fields) *fault {
	args["vm"] = m.ref()
	var got disksReply
	if no := ch.ask(op, args, &got); no != nil {
		return no
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.show(got.Disks)
}

func (m *machine) diskByKey(key int32) diskConfig {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, d := range m.disks {
		if d.Key == key {
			return d
		}
	}
	return diskConfig{}
}

func (m *machine) hasDisk(key int32) bool {
	return key != 0 && m.diskByKey(key).Key == key
}

// reconfigureRest leaves what is not about disks to the library.
func (m *machine) reconfigureRest(c *call, req *types.ReconfigVM_Task) *fault {
	rest := *req
	rest.Spec.ChangeTrackingEnabled = nil
	rest.Spec.DeviceChange = nil
	for _, change := range req.Spec.DeviceChange {
		if _, ok := change.GetVirtualDeviceConfigSpec().Device.(*types.VirtualDisk); !ok {
			rest.Spec.DeviceChange = append(rest.Spec.DeviceChange, change)
		}
	}
	if len(rest.Spec.DeviceChange) > 0 {
		return faultOf(&types.NotSupported{}, "The simulator changes disks only.")
	}
	reply, err := methods.ReconfigVM_Task(context.Background(), c.inv.service, &rest)
	if err != nil {
		return systemError("%v", err)
	}
	task := simulator.Map.Get(reply.Returnval).(*simulator.Task)
	if task.Info.Error != nil {
		return &fault{message: task.Info.Error.LocalizedMessage, detail: task.Info.Error.Fault}
	}
	return nil
}
