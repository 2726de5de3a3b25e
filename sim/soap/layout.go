// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path"
	"strings"
	"time"

	"github.com/vmware/govmomi/vim25/types"
)

// layout lists the files of a VM's folder and says which of them each disk's chain is made of.
func (m *machine) layout() *types.VirtualMachineFileLayoutEx {
	l := &types.VirtualMachineFileLayoutEx{Timestamp: time.Now().UTC()}
	keys := make(map[string]int32)
	add := func(name string, size int64) int32 {
		if key, ok := keys[name]; ok {
			return key
		}
		key := int32(len(keys))
		keys[name] = key
		l.File = append(l.File, types.VirtualMachineFileLayoutExFileInfo{
			Key: key, Name: name, Type: fileType(name), Size: size, UniqueSize: size, Accessible: types.NewBool(true),
		})
		return key
	}
	folder := folderOf(m.conf.Vmx)
	for _, entry := range m.inv.list(folder) {
		add(childOf(folder, entry.Name()), entry.Size())
	}
	for _, d := range m.disks {
		disk := types.VirtualMachineFileLayoutExDiskLayout{Key: d.Key}
		for i := len(d.Chain) - 1; i >= 0; i-- {
			unit := types.VirtualMachineFileLayoutExDiskUnit{FileKey: []int32{add(d.Chain[i], m.inv.size(d.Chain[i]))}}
			for _, extent := range extentNames(d.Chain[i]) {
				if size := m.inv.size(extent); size >= 0 {
					unit.FileKey = append(unit.FileKey, add(extent, size))
				}
			}
			disk.Chain = append(disk.Chain, unit)
		}
		l.Disk = append(l.Disk, disk)
	}
	return l
}

// extentNames are the files a descriptor may have its data in.
func extentNames(descriptor string) []string {
	base := strings.TrimSuffix(descriptor, ".vmdk")
	return []string{base + "-flat.vmdk", base + "-delta.vmdk", base + "-sesparse.vmdk"}
}

func fileType(name string) string {
	switch {
	case strings.HasSuffix(name, "-flat.vmdk"), strings.HasSuffix(name, "-delta.vmdk"), strings.HasSuffix(name, "-sesparse.vmdk"):
		return string(types.VirtualMachineFileLayoutExFileTypeDiskExtent)
	case strings.HasSuffix(name, "-ctk.vmdk"):
		return string(types.VirtualMachineFileLayoutExFileTypeDigestDescriptor)
	}
	kinds := map[string]types.VirtualMachineFileLayoutExFileType{
		".vmx":   types.VirtualMachineFileLayoutExFileTypeConfig,
		".vmxf":  types.VirtualMachineFileLayoutExFileTypeExtendedConfig,
		".nvram": types.VirtualMachineFileLayoutExFileTypeNvram,
		".vmsd":  types.VirtualMachineFileLayoutExFileTypeSnapshotList,
		".vmsn":  types.VirtualMachineFileLayoutExFileTypeSnapshotData,
		".vswp":  types.VirtualMachineFileLayoutExFileTypeSwap,
		".log":   types.VirtualMachineFileLayoutExFileTypeLog,
		".vmdk":  types.VirtualMachineFileLayoutExFileTypeDiskDescriptor,
	}
	if kind, ok := kinds[path.Ext(name)]; ok {
		return string(kind)
	}
	return "stat"
}

// list gives the plain files of a datastore folder.
func (inv *inventory) list(folder string) []os.FileInfo {
	dir, err := inv.hostPath(folder)
	if err != nil {
		return nil
	}
	entries, _ := os.ReadDir(dir)
	var files []os.FileInfo
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			files = append(files, info)
		}
	}
	return files
}

// size is that of a datastore's file, -1 where there is none.
func (inv *inventory) size(text string) int64 {
	file, err := inv.hostPath(text)
	if err != nil {
		return -1
	}
	info, err := os.Stat(file)
	if err != nil {
		return -1
	}
	return info.Size()
}
