// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"

	"github.com/vmware/govmomi/vim25/types"
)

// adapter is a kind of disk controller: how the .vmx calls its bus, its first key, and its device.
type adapter struct {
	bus   string
	first int32
	label string
	make  func(types.VirtualController) types.BaseVirtualDevice
}

var adapters = map[string]adapter{
	"lsilogic": {"scsi", 1000, "SCSI controller", func(c types.VirtualController) types.BaseVirtualDevice {
		return &types.VirtualLsiLogicController{VirtualSCSIController: scsi(c)}
	}},
	"lsisas": {"scsi", 1000, "SCSI controller", func(c types.VirtualController) types.BaseVirtualDevice {
		return &types.VirtualLsiLogicSASController{VirtualSCSIController: scsi(c)}
	}},
	"buslogic": {"scsi", 1000, "SCSI controller", func(c types.VirtualController) types.BaseVirtualDevice {
		return &types.VirtualBusLogicController{VirtualSCSIController: scsi(c)}
	}},
	"pvscsi": {"scsi", 1000, "SCSI controller", func(c types.VirtualController) types.BaseVirtualDevice {
		return &types.ParaVirtualSCSIController{VirtualSCSIController: scsi(c)}
	}},
	"sata": {"sata", 15000, "SATA controller", func(c types.VirtualController) types.BaseVirtualDevice {
		return &types.VirtualAHCIController{VirtualSATAController: types.VirtualSATAController{VirtualController: c}}
	}},
	"nvme": {"nvme", 31000, "NVME controller", func(c types.VirtualController) types.BaseVirtualDevice {
		return &types.VirtualNVMEController{VirtualController: c}
	}},
	"ide": {"ide", 200, "IDE", func(c types.VirtualController) types.BaseVirtualDevice {
		return &types.VirtualIDEController{VirtualController: c}
	}},
}

func scsi(c types.VirtualController) types.VirtualSCSIController {
	return types.VirtualSCSIController{
		VirtualController: c, HotAddRemove: types.NewBool(true),
		SharedBus: types.VirtualSCSISharingNoSharing, ScsiCtlrUnitNumber: 7,
	}
}

func described(key int32, label, summary string) types.VirtualDevice {
	return types.VirtualDevice{Key: key, DeviceInfo: &types.Description{Label: label, Summary: summary}}
}

// devices is the hardware of a VM: the controllers its disks need, then the disks.
func (inv *inventory) devices(disks []diskConfig) ([]types.BaseVirtualDevice, error) {
	pci := &types.VirtualPCIController{}
	pci.VirtualDevice = described(100, "PCI controller 0", "PCI controller 0")
	list := []types.BaseVirtualDevice{pci}
	seen := make(map[int32]*types.VirtualController)
	var tail []types.BaseVirtualDevice
	for i := range disks {
		d := &disks[i]
		a, ok := adapters[strings.ToLower(d.Adapter)]
		if !ok {
			return nil, fmt.Errorf("disk %d has the unknown adapter '%s'", d.Key, d.Adapter)
		}
		disk, err := inv.disk(d, a.first+d.Bus)
		if err != nil {
			return nil, err
		}
		tail = append(tail, disk)
		if seen[a.first+d.Bus] == nil {
			device := a.make(newController(a, d.Bus))
			seen[a.first+d.Bus] = device.(types.BaseVirtualController).GetVirtualController()
			list = append(list, device)
		}
		c := seen[a.first+d.Bus]
		c.Device = append(c.Device, d.Key)
	}
	return append(list, tail...), nil
}

func newController(a adapter, bus int32) types.VirtualController {
	label := fmt.Sprintf("%s %d", a.label, bus)
	return types.VirtualController{VirtualDevice: described(a.first+bus, label, label), BusNumber: bus}
}

func (inv *inventory) disk(d *diskConfig, controller int32) (*types.VirtualDisk, error) {
	backing, err := inv.backing(d, d.Chain)
	if err != nil {
		return nil, err
	}
	unit := d.Unit
	disk := &types.VirtualDisk{
		VirtualDevice:   described(d.Key, d.Label, fmt.Sprintf("%d KB", d.CapacityBytes/1024)),
		CapacityInKB:    d.CapacityBytes / 1024,
		CapacityInBytes: d.CapacityBytes,
		DiskObjectId:    fmt.Sprintf("1-%d", d.Key),
	}
	disk.Backing, disk.ControllerKey, disk.UnitNumber = backing, controller, &unit
	return disk, nil
}

// backing nests the chain: the leaf outermost, each parent a level below.
func (inv *inventory) backing(d *diskConfig, chain []string) (*types.VirtualDiskFlatVer2BackingInfo, error) {
	if len(chain) == 0 {
		return nil, fmt.Errorf("disk %d has no file", d.Key)
	}
	b := &types.VirtualDiskFlatVer2BackingInfo{
		DiskMode: d.Mode, Split: types.NewBool(false), WriteThrough: types.NewBool(false),
		ThinProvisioned: types.NewBool(d.Thin), Uuid: d.UUID, ContentId: contentID(chain[0]),
		ChangeId: d.ChangeID, DigestEnabled: types.NewBool(false), Sharing: "sharingNone",
	}
	b.FileName = chain[0]
	name, _, err := splitDatastorePath(chain[0])
	if err != nil {
		return nil, err
	}
	ds := inv.datastoreByName(name)
	if ds == nil {
		return nil, fmt.Errorf("disk %d is on the unknown datastore '%s'", d.Key, name)
	}
	b.Datastore = &ds.ref
	if len(chain) > 1 {
		parent := *d
		parent.ChangeID = "" // only the file the VM writes to has one
		b.DeltaDiskFormat = "redoLogFormat"
		b.Parent, err = inv.backing(&parent, chain[1:])
	}
	return b, err
}

func contentID(path string) string {
	return strings.ReplaceAll(stableUUID("", "content "+path), "-", "")
}
