// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"sync"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// lease is an export: streams made of the disks, offered until completed, aborted or the end.
type lease struct {
	mo.HttpNfcLease
	ticket string // the secret in its URLs
	files  []leaseFile
	closed bool
}

type leaseFile struct {
	key, name string
	path      string // on this host
	bytes     int64
	capacity  int64
}

type leases struct {
	mu   sync.Mutex // guards the map, and each lease's files and closed
	byID map[ref]*lease
}

func newLeases() *leases {
	return &leases{byID: make(map[ref]*lease)}
}

// leaseTimeout is in seconds.
const leaseTimeout = 300

var leaseHandlers = map[string]handler{
	"ExportVm":                exportVM,
	"ExportSnapshot":          exportSnapshot,
	"HttpNfcLeaseProgress":    leaseProgress,
	"HttpNfcLeaseComplete":    func(c *call) (interface{}, *fault) { return c.endLease() },
	"HttpNfcLeaseAbort":       func(c *call) (interface{}, *fault) { return c.endLease() },
	"HttpNfcLeaseGetManifest": leaseManifest,
}

func exportVM(c *call) (interface{}, *fault) {
	m := c.inv.machine(c.This)
	if m == nil {
		return nil, notFoundFault(c.This)
	}
	if m.poweredOn() {
		return nil, faultOf(&types.InvalidPowerState{RequestedState: powerState(false), ExistingState: powerState(true)},
			"The attempted operation cannot be performed in the current state (Powered on).")
	}
	m.mu.Lock()
	disks := append([]diskConfig(nil), m.disks...)
	m.mu.Unlock()
	return c.export(m, disks)
}

func exportSnapshot(c *call) (interface{}, *fault) {
	m, s, no := c.snapshotCalled()
	if no != nil {
		return nil, no
	}
	m.mu.Lock()
	disks := append([]diskConfig(nil), s.disks...)
	m.mu.Unlock()
	return c.export(m, disks)
}

// export gives a lease at once; it becomes ready when the streams are made.
func (c *call) export(m *machine, disks []diskConfig) (interface{}, *fault) {
	l := &lease{ticket: "52" + randomHex(15)}
	l.Self = ref{Type: "HttpNfcLease", Value: "session[" + c.session.upstream + "]" + stableUUID("", l.ticket)}
	l.State = types.HttpNfcLeaseStateInitializing
	l.Mode = "push" // as the property is for every lease of this kind
	l.Capabilities = types.HttpNfcLeaseCapabilities{PullModeSupported: false, CorsSupported: false}
	simulator.Map.Put(l)
	c.leases.mu.Lock()
	c.leases.byID[l.Self] = l
	c.leases.mu.Unlock()
	go c.prepare(l, m, disks)
	return &taskReply{l.Self}, nil
}

func (c *call) prepare(l *lease, m *machine, disks []diskConfig) {
	info := &types.HttpNfcLeaseInfo{Lease: l.Self, Entity: m.vm.Self, LeaseTimeout: leaseTimeout}
	for i, d := range disks {
		var got struct {
			File  string `json:"file"`
			Bytes int64  `json:"bytes"`
		}
		if no := c.ch.ask("export", fields{"path": d.Chain[0], "vm": m.ref()}, &got); no != nil {
			update(l, types.PropertyChange{Name: "error", Val: *no.localized()},
				types.PropertyChange{Name: "state", Val: types.HttpNfcLeaseStateError})
			return
		}
		file := leaseFile{
			key: fmt.Sprintf("/%s/%s:%d", m.ref(), controllerName(d), d.Unit), name: fmt.Sprintf("disk-%d.vmdk", i),
			path: got.File, bytes: got.Bytes, capacity: d.CapacityBytes,
		}
		if !c.leases.adopt(l, file) {
			os.Remove(got.File)
			return
		}
		info.DeviceUrl = append(info.DeviceUrl, c.deviceURL(l, file))
		info.TotalDiskCapacityInKB += d.CapacityBytes / 1024
		update(l, types.PropertyChange{Name: "initializeProgress", Val: int32((i + 1) * 100 / len(disks))})
	}
	update(l, types.PropertyChange{Name: "info", Val: *info},
		types.PropertyChange{Name: "state", Val: types.HttpNfcLeaseStateReady})
}

func controllerName(d diskConfig) string {
	return fmt.Sprintf("%s%d", adapters[d.Adapter].bus, d.Bus)
}

// adopt is false for a lease that ended meanwhile.
func (s *leases) adopt(l *lease, file leaseFile) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.closed {
		return false
	}
	l.files = append(l.files, file)
	return true
}

func (c *call) deviceURL(l *lease, file leaseFile) types.HttpNfcLeaseDeviceUrl {
	return types.HttpNfcLeaseDeviceUrl{
		Key: file.key, Url: fmt.Sprintf("https://*/nfc/%s/%s", l.ticket, file.name),
		SslThumbprint: c.conf.Thumbprint, Disk: types.NewBool(true), TargetId: file.name, FileSize: file.bytes,
	}
}

// lease finds the lease of a call; imports are the library's own.
func (c *call) lease() (*lease, *fault) {
	c.leases.mu.Lock()
	defer c.leases.mu.Unlock()
	if l := c.leases.byID[c.This]; l != nil {
		return l, nil
	}
	if c.Name == "HttpNfcLeaseGetManifest" {
		return nil, notFoundFault(c.This)
	}
	return nil, forward
}

func leaseProgress(c *call) (interface{}, *fault) {
	l, no := c.lease()
	if no != nil {
		return nil, no
	}
	percent := c.Body.(*types.HttpNfcLeaseProgress).Percent
	if percent < 0 || percent > 100 {
		return nil, invalidArgument("percent")
	}
	update(l, types.PropertyChange{Name: "transferProgress", Val: percent})
	return nil, nil
}

func (c *call) endLease() (interface{}, *fault) {
	l, no := c.lease()
	if no != nil {
		return nil, no
	}
	c.leases.drop(l)
	simulator.Map.Remove(l.Self)
	return nil, nil
}

func (s *leases) drop(l *lease) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l.closed = true
	delete(s.byID, l.Self)
	for _, file := range l.files {
		os.Remove(file.path)
	}
	l.files = nil
}

// dropAll removes the streams that nobody will ask for any more.
func (s *leases) dropAll() {
	s.mu.Lock()
	var list []*lease
	for _, l := range s.byID {
		list = append(list, l)
	}
	s.mu.Unlock()
	for _, l := range list {
		s.drop(l)
	}
}
