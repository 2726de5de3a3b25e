// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"

	"github.com/vmware/govmomi/vim25/types"
)

// attach adds a disk to the VM: an existing one, or a new one where the spec says create.
func (m *machine) attach(ch *channel, spec *types.VirtualDeviceConfigSpec, disk *types.VirtualDisk) *fault {
	backing, ok := disk.Backing.(*types.VirtualDiskFlatVer2BackingInfo)
	if !ok {
		return faultOf(&types.InvalidDeviceBacking{}, "The simulator attaches flat and thin disks only.")
	}
	kind, bus, ok := m.controller(disk.ControllerKey)
	if !ok {
		return invalidDevice(spec)
	}
	path := backing.FileName
	if spec.FileOperation == types.VirtualDeviceConfigSpecFileOperationCreate {
		path = m.newDiskPath(path)
		if no := createFor(ch, path, disk, backing); no != nil {
			return no
		}
	} else if m.inv.size(path) < 0 {
		return faultOf(&types.FileNotFound{FileFault: types.FileFault{File: path}}, "File %s was not found", path)
	}
	unit := m.freeUnit(kind, bus, disk.UnitNumber)
	return m.changeDisks(ch, "attach", fields{
		"key": diskKey(kind, bus, unit), "path": path, "mode": backing.DiskMode, "unit": unit,
		"adapter": kind, "bus": bus,
	})
}

func createFor(ch *channel, path string, disk *types.VirtualDisk, b *types.VirtualDiskFlatVer2BackingInfo) *fault {
	size, kind := disk.CapacityInBytes, "preallocated"
	if size == 0 {
		size = disk.CapacityInKB * 1024
	}
	if b.ThinProvisioned != nil && *b.ThinProvisioned {
		kind = "thin"
	}
	return ch.ask("createDisk", fields{"path": path, "capacityBytes": size, "diskType": kind, "adapterType": "lsiLogic"}, nil)
}

// diskKey is the key a real host gives: 2000 and up for SCSI, by bus and unit.
func diskKey(kind string, bus, unit int32) int32 {
	first := map[string]int32{"scsi": 2000, "ide": 3000, "sata": 16000, "nvme": 32000}
	width := map[string]int32{"scsi": 16, "ide": 2, "sata": 30, "nvme": 15}
	family := adapters[kind].bus
	return first[family] + bus*width[family] + unit
}

// controller finds the adapter that a controller key names.
func (m *machine) controller(key int32) (kind string, bus int32, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, d := range m.disks {
		if adapters[d.Adapter].first+d.Bus == key {
			return d.Adapter, d.Bus, true
		}
	}
	return "", 0, false
}

// freeUnit is the wanted unit, or the first one that no disk has.
func (m *machine) freeUnit(kind string, bus int32, wanted *int32) int32 {
	if wanted != nil && *wanted >= 0 {
		return *wanted
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	used := map[int32]bool{7: adapters[kind].bus == "scsi"}
	for _, d := range m.disks {
		if d.Adapter == kind && d.Bus == bus {
			used[d.Unit] = true
		}
	}
	unit := int32(0)
	for used[unit] {
		unit++
	}
	return unit
}

// newDiskPath chooses a name where the spec names a datastore only.
func (m *machine) newDiskPath(path string) string {
	if strings.HasSuffix(path, ".vmdk") {
		return path
	}
	folder := folderOf(m.conf.Vmx)
	for n := 1; ; n++ {
		path = childOf(folder, fmt.Sprintf("%s_%d.vmdk", m.conf.Name, n))
		if m.inv.size(path) < 0 {
			return path
		}
	}
}
