// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/hex"
	"os"
	"path"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/vmware/govmomi/vim25/types"
)

// fcds are the first class disks: every descriptor in a datastore's fcd folder is one.
type fcds struct {
	front *front
	mu    sync.Mutex // guards what follows
	names map[string]string
	track map[string]bool           // by path
	snaps map[string][]*fcdSnapshot // by path
	keep  map[string]bool
	leaf  map[string]string // where the disk is written to since it has snapshots
}

// fcd is one of them, found in the folder.
type fcd struct {
	id      string
	path    string // of the descriptor the disk began with
	store   *datastore
	created time.Time
}

type fcdSnapshot struct {
	id, description, file, changeID string
	created                         time.Time
}

func newFcds(f *front) *fcds {
	return &fcds{
		front: f, names: make(map[string]string), track: make(map[string]bool),
		snaps: make(map[string][]*fcdSnapshot), keep: make(map[string]bool), leaf: make(map[string]string),
	}
}

// fcdID is the file's own name where that is an id, else one made of the path.
func fcdID(datastorePath string) string {
	base := strings.TrimSuffix(path.Base(datastorePath), ".vmdk")
	if raw, err := hex.DecodeString(strings.ReplaceAll(base, "-", "")); err == nil && len(raw) == 16 {
		if id, err := uuid.FromBytes(raw); err == nil {
			return id.String()
		}
	}
	return stableUUID("", "fcd "+datastorePath)
}

// list finds the disks of a datastore; extents, tracking files and children of snapshots are none.
func (s *fcds) list(d *datastore) []fcd {
	dir, err := d.inside("fcd")
	if err != nil {
		return nil
	}
	entries, _ := os.ReadDir(dir)
	var found []fcd
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() || !isDescriptor(e.Name()) {
			continue
		}
		p := "[" + d.name + "] fcd/" + e.Name()
		found = append(found, fcd{id: fcdID(p), path: p, store: d, created: info.ModTime().UTC()})
	}
	return found
}

func isDescriptor(name string) bool {
	base := strings.TrimSuffix(name, ".vmdk")
	if base == name {
		return false
	}
	for _, tail := range []string{"-flat", "-delta", "-sesparse", "-ctk"} {
		if strings.HasSuffix(base, tail) {
			return false
		}
	}
	child := len(base) > 7 && base[len(base)-7] == '-' && strings.Trim(base[len(base)-6:], "0123456789") == ""
	return !child
}

// find looks in one datastore, or in all where none is named.
func (s *fcds) find(id string, only *datastore) (fcd, *fault) {
	for _, d := range s.front.inv.datastores {
		if only != nil && d != only {
			continue
		}
		for _, have := range s.list(d) {
			if have.id == id {
				return have, nil
			}
		}
	}
	return fcd{}, faultOf(&types.NotFound{}, "The object or item referred to could not be found.")
}

// member reads a member of a request by its Go name; the calls of vCenter, of ESXi and of the
// global catalogue differ in names and members only.
func member[T any](c *call, name string) (value T, ok bool) {
	f := reflect.ValueOf(c.Body).Elem().FieldByName(name)
	if !f.IsValid() {
		return value, false
	}
	value, ok = f.Interface().(T)
	return value, ok
}

// disk finds the disk a call is about.
func (c *call) fcd() (fcd, *fault) {
	id, ok := member[types.ID](c, "Id")
	if !ok {
		return fcd{}, invalidArgument("id")
	}
	store, no := c.fcdStore()
	if no != nil {
		return fcd{}, no
	}
	return c.fcds.find(id.Id, store)
}

// fcdStore is nil for calls that name no datastore.
func (c *call) fcdStore() (*datastore, *fault) {
	r, ok := member[ref](c, "Datastore")
	if !ok {
		return nil, nil
	}
	d := c.inv.datastoreByRef(r)
	if d == nil {
		return nil, notFoundFault(r)
	}
	return d, nil
}

// leafOf is called under the lock.
func (s *fcds) leafOf(path string) string {
	if leaf := s.leaf[path]; leaf != "" {
		return leaf
	}
	return path
}

// follow keeps in mind where a disk is written to after its chain has changed.
func (s *fcds) follow(path string, got disksReply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(got.Disks) > 0 && len(got.Disks[0].Chain) > 0 {
		s.leaf[path] = got.Disks[0].Chain[0]
	}
	for _, told := range got.Snapshots {
		for _, have := range s.snaps[path] {
			if have.id == told.Snapshot && len(told.Disks) > 0 && len(told.Disks[0].Chain) > 0 {
				have.file = told.Disks[0].Chain[0]
			}
		}
	}
}

// object describes a disk the way RetrieveVStorageObject does.
func (s *fcds) object(d fcd) (*types.VStorageObject, *fault) {
	info, no := s.front.info(d.path)
	if no != nil {
		return nil, no
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	name := s.names[d.path]
	if name == "" {
		name = strings.TrimSuffix(path.Base(d.path), ".vmdk")
	}
	o := &types.VStorageObject{}
	o.Config.Id = types.ID{Id: d.id}
	o.Config.Name, o.Config.CreateTime = name, d.created
	o.Config.KeepAfterDeleteVm = types.NewBool(s.keep[d.path])
	o.Config.RelocationDisabled = types.NewBool(false)
	o.Config.NativeSnapshotSupported = types.NewBool(false)
	o.Config.ChangedBlockTrackingEnabled = types.NewBool(s.track[d.path])
	o.Config.CapacityInMB = info.CapacityBytes >> 20
	o.Config.ConsumptionType = []string{"disk"}
	backing := &types.BaseConfigInfoDiskFileBackingInfo{ProvisioningType: "lazyZeroedThick"}
	if info.Thin {
		backing.ProvisioningType = "thin"
	}
	backing.Datastore, backing.FilePath = d.store.ref, s.leafOf(d.path)
	o.Config.Backing = backing
	return o, nil
}
