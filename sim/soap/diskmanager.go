// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"net/url"
	"reflect"
	"strings"

	"github.com/vmware/govmomi/vim25/types"
)

// The VirtualDiskManager: every call is an operation on a datastore's files, done by the other side.
var diskHandlers = map[string]handler{
	"CreateVirtualDisk_Task":    createVirtualDisk,
	"DeleteVirtualDisk_Task":    func(c *call) (interface{}, *fault) { return c.diskTask("deleteVirtualDisk", "deleteDisk", fields{}) },
	"InflateVirtualDisk_Task":   func(c *call) (interface{}, *fault) { return c.diskTask("inflateVirtualDisk", "inflateDisk", fields{}) },
	"ExtendVirtualDisk_Task":    extendVirtualDisk,
	"CopyVirtualDisk_Task":      func(c *call) (interface{}, *fault) { return c.twoDisks("copyVirtualDisk", "copyDisk") },
	"MoveVirtualDisk_Task":      func(c *call) (interface{}, *fault) { return c.twoDisks("moveVirtualDisk", "moveDisk") },
	"CreateChildDisk_Task":      createChild,
	"QueryVirtualDiskInfo_Task": queryInfo,
	"QueryVirtualDiskUuid":      queryUUID,
	"SetVirtualDiskUuid":        setUUID,
	"QueryVirtualDiskGeometry":  queryGeometry,
}

// diskInfo is what the other side tells of a descriptor.
type diskInfo struct {
	CapacityBytes int64  `json:"capacityBytes"`
	Thin          bool   `json:"thin"`
	Adapter       string `json:"adapter"`
	UUID          string `json:"uuid"`
	ChangeID      string `json:"changeId"`
	Parent        string `json:"parent"`
}

// text reads a string member of a request by its Go name.
func (c *call) text(name string) string {
	f := reflect.ValueOf(c.Body).Elem().FieldByName(name)
	if f.IsValid() && f.Kind() == reflect.String {
		return f.String()
	}
	return ""
}

// diskPath is the datastore path of the call, given as one or as a /folder URL.
func (c *call) diskPath(member string) (string, *fault) {
	path := c.text(member)
	if strings.HasPrefix(path, "http") {
		var ok bool
		if path, ok = folderURL(path); !ok {
			return "", invalidArgument(member)
		}
	}
	name, _, err := splitDatastorePath(path)
	if err != nil {
		return "", faultOf(&types.InvalidDatastorePath{DatastorePath: path}, "Invalid datastore path '%s'.", path)
	}
	if c.inv.datastoreByName(name) == nil {
		return "", faultOf(&types.InvalidDatastore{Name: name}, "Invalid datastore '%s'.", name)
	}
	if _, err := c.inv.hostPath(path); err != nil {
		return "", faultOf(&types.InvalidDatastorePath{DatastorePath: path}, "Invalid datastore path '%s'.", path)
	}
	return path, nil
}

func (c *call) diskTask(name, op string, args fields) (interface{}, *fault) {
	path, no := c.diskPath("Name")
	if no != nil {
		return nil, no
	}
	args["path"] = path
	return c.start(job{name: name, work: func(ref) (types.AnyType, *fault) {
		return nil, c.ch.ask(op, args, nil)
	}})
}

func createVirtualDisk(c *call) (interface{}, *fault) {
	spec, ok := c.Body.(*types.CreateVirtualDisk_Task).Spec.(types.BaseFileBackedVirtualDiskSpec)
	if !ok {
		return nil, invalidArgument("spec")
	}
	file := spec.GetFileBackedVirtualDiskSpec()
	if file.CapacityKb <= 0 {
		return nil, invalidArgument("spec.capacityKb")
	}
	path, no := c.diskPath("Name")
	if no != nil {
		return nil, no
	}
	args := fields{"path": path, "capacityBytes": file.CapacityKb * 1024, "diskType": file.DiskType, "adapterType": file.AdapterType}
	return c.start(job{name: "createVirtualDisk", work: func(ref) (types.AnyType, *fault) {
		return path, c.ch.ask("createDisk", args, nil)
	}})
}

func extendVirtualDisk(c *call) (interface{}, *fault) {
	size := c.Body.(*types.ExtendVirtualDisk_Task).NewCapacityKb
	if size <= 0 {
		return nil, invalidArgument("newCapacityKb")
	}
	return c.diskTask("extendVirtualDisk", "extendDisk", fields{"capacityBytes": size * 1024})
}

func (c *call) twoDisks(name, op string) (interface{}, *fault) {
	source, no := c.diskPath("SourceName")
	if no != nil {
		return nil, no
	}
	path, no := c.diskPath("DestName")
	if no != nil {
		return nil, no
	}
	args := fields{"source": source, "path": path, "force": c.flag("Force")}
	return c.start(job{name: name, work: func(ref) (types.AnyType, *fault) {
		return nil, c.ch.ask(op, args, nil)
	}})
}

// flag reads an optional boolean of a request.
func (c *call) flag(name string) bool {
	b, _ := reflect.ValueOf(c.Body).Elem().FieldByName(name).Interface().(*bool)
	return b != nil && *b
}

func createChild(c *call) (interface{}, *fault) {
	child, no := c.diskPath("ChildName")
	if no != nil {
		return nil, no
	}
	parent, no := c.diskPath("ParentName")
	if no != nil {
		return nil, no
	}
	return c.start(job{name: "createChildDisk", work: func(ref) (types.AnyType, *fault) {
		return nil, c.ch.ask("childDisk", fields{"path": child, "parent": parent}, nil)
	}})
}

// ArrayOfVirtualDiskInfo and VirtualDiskInfo are the result of an internal call; the names are
// those of the wire.
type ArrayOfVirtualDiskInfo struct {
	VirtualDiskInfo []VirtualDiskInfo `xml:"VirtualDiskInfo,omitempty"`
}

type VirtualDiskInfo struct {
	Name     string `xml:"unit>name"`
	DiskType string `xml:"diskType"`
	Parent   string `xml:"parent,omitempty"`
}

func queryInfo(c *call) (interface{}, *fault) {
	path, no := c.diskPath("Name")
	if no != nil {
		return nil, no
	}
	parents := c.Body.(*queryDiskInfo).IncludeParents
	return c.start(job{name: "queryVirtualDiskInfo", work: func(ref) (types.AnyType, *fault) {
		var list ArrayOfVirtualDiskInfo
		for seen := 0; path != "" && seen < 256; seen++ {
			info, no := c.info(path)
			if no != nil {
				return nil, no
			}
			kind := map[bool]string{true: "thin", false: "preallocated"}[info.Thin]
			list.VirtualDiskInfo = append(list.VirtualDiskInfo, VirtualDiskInfo{path, kind, info.Parent})
			path = info.Parent
			if !parents {
				break
			}
		}
		return list, nil
	}})
}

func (f *front) info(path string) (*diskInfo, *fault) {
	info := new(diskInfo)
	if no := f.ch.ask("diskInfo", fields{"path": path}, info); no != nil {
		return nil, no
	}
	return info, nil
}

type textReply struct {
	Returnval string `xml:"returnval"`
}

func queryUUID(c *call) (interface{}, *fault) {
	path, no := c.diskPath("Name")
	if no != nil {
		return nil, no
	}
	info, no := c.info(path)
	if no != nil {
		return nil, no
	}
	return &textReply{spacedUUID(info.UUID)}, nil
}

// spacedUUID writes 6000C293-… as "60 00 C2 93 7b … 03-9f 22 …".
func spacedUUID(dashed string) string {
	hex := strings.ReplaceAll(dashed, "-", "")
	if len(hex) != 32 {
		return dashed
	}
	var b strings.Builder
	for i := 0; i < 32; i += 2 {
		if i == 16 {
			b.WriteByte('-')
		} else if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(hex[i : i+2])
	}
	return b.String()
}

func setUUID(c *call) (interface{}, *fault) {
	path, no := c.diskPath("Name")
	if no != nil {
		return nil, no
	}
	return nil, c.ch.ask("setDiskUuid", fields{"path": path, "uuid": c.text("Uuid")}, nil)
}

type geometryReply struct {
	Returnval types.HostDiskDimensionsChs `xml:"returnval"`
}

func queryGeometry(c *call) (interface{}, *fault) {
	path, no := c.diskPath("Name")
	if no != nil {
		return nil, no
	}
	info, no := c.info(path)
	if no != nil {
		return nil, no
	}
	const heads, sectors = 255, 63
	cylinders := info.CapacityBytes / 512 / (heads * sectors)
	return &geometryReply{types.HostDiskDimensionsChs{Cylinder: cylinders, Head: heads, Sector: sectors}}, nil
}

// folderURL turns https://host/folder/a/b.vmdk?dsName=ds into "[ds] a/b.vmdk".
func folderURL(text string) (string, bool) {
	u, err := url.Parse(text)
	if err != nil || !strings.HasPrefix(u.Path, "/folder/") || u.Query().Get("dsName") == "" {
		return "", false
	}
	return fmt.Sprintf("[%s] %s", u.Query().Get("dsName"), strings.TrimPrefix(u.Path, "/folder/")), true
}
