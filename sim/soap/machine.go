// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// machine is a VM of the configuration beside its object in the model. What readers of the model
// may be encoding is never changed in place: config, snapshot tree and layout are replaced.
type machine struct {
	inv  *inventory
	conf vmConfig
	vm   *simulator.VirtualMachine

	mu        sync.Mutex // guards what follows
	disks     []diskConfig
	tracking  bool
	snapshots map[types.ManagedObjectReference]*snapshot
	orphans   []types.ManagedObjectReference // removed without consolidation, oldest first
	nextID    int32
	busy      *types.ManagedObjectReference // the task that holds the VM
	question  *types.VirtualMachineQuestionInfo
}

// ref names the VM on the control channel.
func (m *machine) ref() string { return m.vm.Self.Value }

func (inv *inventory) addMachine(conf vmConfig) (*machine, error) {
	m := &machine{inv: inv, conf: conf, disks: conf.Disks, tracking: conf.Tracking}
	m.snapshots = make(map[types.ManagedObjectReference]*snapshot)
	for _, d := range conf.Disks {
		m.tracking = m.tracking || d.ChangeID != ""
	}
	m.vm = &simulator.VirtualMachine{}
	if inv.conf.ESXi {
		m.vm.Self = types.ManagedObjectReference{Type: "VirtualMachine", Value: strconv.Itoa(len(inv.order) + 1)}
	}
	m.vm.Name = conf.Name
	config, err := m.newConfig()
	if err != nil {
		return nil, err
	}
	m.vm.Config = config
	m.describe()
	m.link()
	inv.mu.Lock()
	inv.machines[m.vm.Self] = m
	inv.order = append(inv.order, m)
	inv.mu.Unlock()
	return m, nil
}

func stableUUID(given, seed string) string {
	if given != "" {
		return given
	}
	return uuid.NewSHA1(uuid.NameSpaceOID, []byte(seed)).String()
}

func (m *machine) newConfig() (*types.VirtualMachineConfigInfo, error) {
	devices, err := m.inv.devices(m.disks)
	if err != nil {
		return nil, fmt.Errorf("VM '%s': %w", m.conf.Name, err)
	}
	spec := types.DefaultResourceConfigSpec()
	folder := folderOf(m.conf.Vmx)
	return &types.VirtualMachineConfigInfo{
		ChangeVersion: time.Now().UTC().Format(time.RFC3339Nano),
		Modified:      time.Now().UTC(),
		Name:          m.conf.Name,
		GuestFullName: "Debian GNU/Linux 12 (64-bit)",
		Version:       "vmx-15",
		Uuid:          stableUUID(m.conf.UUID, "bios "+m.conf.Vmx),
		InstanceUuid:  stableUUID(m.conf.InstanceUUID, "instance "+m.conf.Vmx),
		GuestId:       "debian11_64Guest",
		Files: types.VirtualMachineFileInfo{
			VmPathName: m.conf.Vmx, SnapshotDirectory: folder, SuspendDirectory: folder, LogDirectory: folder,
		},
		Tools:                 &types.ToolsConfigInfo{},
		DatastoreUrl:          []types.VirtualMachineConfigInfoDatastoreUrlPair{},
		MemoryAllocation:      &spec.MemoryAllocation,
		CpuAllocation:         &spec.CpuAllocation,
		LatencySensitivity:    &types.LatencySensitivity{Level: types.LatencySensitivitySensitivityLevelNormal},
		BootOptions:           &types.VirtualMachineBootOptions{},
		Hardware:              types.VirtualHardware{NumCPU: 1, NumCoresPerSocket: 1, MemoryMB: 1024, Device: devices},
		ChangeTrackingEnabled: types.NewBool(m.tracking),
		Firmware:              "bios",
		ExtraConfig:           m.extraConfig(),
	}, nil
}

// extraConfig shows tracking the way the .vmx does.
func (m *machine) extraConfig() []types.BaseOptionValue {
	list := []types.BaseOptionValue{&types.OptionValue{Key: "vsphere-sim", Value: "TRUE"}}
	if !m.tracking {
		return list
	}
	list = append(list, &types.OptionValue{Key: "ctkEnabled", Value: "TRUE"})
	for _, d := range m.disks {
		if d.ChangeID != "" {
			key := fmt.Sprintf("%s%d:%d.ctkEnabled", adapters[d.Adapter].bus, d.Bus, d.Unit)
			list = append(list, &types.OptionValue{Key: key, Value: "TRUE"})
		}
	}
	return list
}

func (m *machine) describe() {
	vm := m.vm
	power := types.VirtualMachinePowerStatePoweredOff
	if m.conf.PoweredOn {
		power = types.VirtualMachinePowerStatePoweredOn
	}
	vm.Runtime = types.VirtualMachineRuntimeInfo{
		Host:                &m.inv.host.Self,
		ConnectionState:     types.VirtualMachineConnectionStateConnected,
		PowerState:          power,
		ConsolidationNeeded: types.NewBool(false),
	}
	vm.ResourcePool = &m.inv.pool
	vm.Capability = types.VirtualMachineCapability{
		SnapshotOperationsSupported: true, MultipleSnapshotsSupported: true,
		QuiescedSnapshotsSupported: true, ConsolePreferencesSupported: true,
		DiskSharesSupported: true, ChangeTrackingSupported: types.NewBool(true),
	}
	vm.Guest = &types.GuestInfo{ToolsStatus: types.VirtualMachineToolsStatusToolsOk, GuestState: "running"}
	vm.Layout = &types.VirtualMachineFileLayout{}
	vm.Storage = &types.VirtualMachineStorageInfo{Timestamp: time.Now().UTC()}
	vm.Summary = types.VirtualMachineSummary{
		Runtime: vm.Runtime,
		Guest:   &types.VirtualMachineGuestSummary{ToolsStatus: vm.Guest.ToolsStatus},
		Config: types.VirtualMachineConfigSummary{
			Name: vm.Name, VmPathName: m.conf.Vmx, Uuid: vm.Config.Uuid, InstanceUuid: vm.Config.InstanceUuid,
			GuestId: vm.Config.GuestId, GuestFullName: vm.Config.GuestFullName, MemorySizeMB: 1024, NumCpu: 1,
			NumVirtualDisks: int32(len(m.disks)),
		},
		OverallStatus: types.ManagedEntityStatusGreen,
	}
	vm.LayoutEx = m.layout()
}

func (m *machine) link() {
	r := simulator.Map
	folder := r.Get(m.inv.datacenter.VmFolder).(*simulator.Folder)
	r.PutEntity(folder, m.vm)
	m.vm.Summary.Vm = &m.vm.Self
	r.AppendReference(folder, &folder.ChildEntity, m.vm.Self)
	host := m.inv.host
	r.AppendReference(host, &host.Vm, m.vm.Self)
	if pool, ok := r.Get(m.inv.pool).(*simulator.ResourcePool); ok {
		r.AppendReference(pool, &pool.Vm, m.vm.Self)
	}
	for _, d := range m.inv.datastores {
		if m.uses(d) {
			m.vm.Datastore = append(m.vm.Datastore, d.ref)
			ds := r.Get(d.ref).(*simulator.Datastore)
			r.AppendReference(ds, &ds.Vm, m.vm.Self)
		}
	}
}

// uses says whether the VM has files on the datastore.
func (m *machine) uses(d *datastore) bool {
	paths := []string{m.conf.Vmx}
	for _, disk := range m.disks {
		paths = append(paths, disk.Chain...)
	}
	for _, p := range paths {
		if name, _, err := splitDatastorePath(p); err == nil && name == d.name {
			return true
		}
	}
	return false
}

// poweredOn reads the model, where the simulator's own power calls may have changed it.
func (m *machine) poweredOn() bool {
	on := false
	simulator.Map.WithLock(m.vm, func() {
		on = m.vm.Runtime.PowerState == types.VirtualMachinePowerStatePoweredOn
	})
	return on
}

// show puts the disks into the model, under the machine's lock; nil: as they are.
func (m *machine) show(disks []diskConfig) *fault {
	if disks == nil {
		disks = m.disks
	}
	for i := range disks {
		disks[i].defaults()
	}
	m.disks = disks
	config, err := m.newConfig()
	if err != nil {
		return systemError("%v", err)
	}
	layout := m.layout()
	simulator.Map.WithLock(m.vm, func() {
		next := *m.vm.Config
		next.Hardware.Device = nil
		next.ChangeVersion, next.Modified = config.ChangeVersion, config.Modified
		next.ChangeTrackingEnabled = config.ChangeTrackingEnabled
		m.vm.Config = &next
		simulator.Map.Update(m.vm, []types.PropertyChange{
			{Name: "config.hardware.device", Val: config.Hardware.Device},
			{Name: "config.extraConfig", Val: config.ExtraConfig},
			{Name: "layoutEx", Val: layout},
		})
	})
	return nil
}

// showConsolidation sets runtime.consolidationNeeded.
func (m *machine) showConsolidation(needed bool) {
	simulator.Map.WithLock(m.vm, func() {
		runtime := m.vm.Runtime
		runtime.ConsolidationNeeded = types.NewBool(needed)
		simulator.Map.Update(m.vm, []types.PropertyChange{{Name: "runtime", Val: runtime}})
	})
}

// hold marks the VM as taken by a task; one that is taken says by which.
func (m *machine) hold(task types.ManagedObjectReference) *fault {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.busy != nil {
		return faultOf(&types.TaskInProgress{Task: *m.busy}, "Another task is already in progress.")
	}
	m.busy = &task
	return nil
}

func (m *machine) release() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.busy = nil
}
