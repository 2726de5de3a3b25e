// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"sync"
	"time"

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
	lost   bool      // it is in the state of error, and no call will do
	heard  time.Time // the last word of the client
}

type leaseFile struct {
	key, name string
	path      string // on this host
	lease     *lease
	bytes     int64
	capacity  int64
}

type leases struct {
	mu   sync.Mutex // guards the map, and each lease's last four
	byID map[ref]*lease
}

func newLeases() *leases {
	return &leases{byID: make(map[ref]*lease)}
}

// leaseTimeout is in seconds; the fault lease-seconds makes it another.
const leaseTimeout = 300

func (c *call) leaseTimeout() int {
	if n := c.switches.number("lease-seconds"); n > 0 {
		return n
	}
	return leaseTimeout
}

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
	if want, on := c.switches.get("lease-fails"); on {
		c.leases.lose(l)
		l.fail(want)
		return
	}
	info := &types.HttpNfcLeaseInfo{Lease: l.Self, Entity: m.vm.Self, LeaseTimeout: int32(c.leaseTimeout())}
	for i, d := range disks {
		var got struct {
			File  string `json:"file"`
			Bytes int64  `json:"bytes"`
		}
		if no := c.ch.ask("export", fields{"path": d.Chain[0], "vm": m.ref()}, &got); no != nil {
			c.leases.lose(l)
			l.failWith(no)
			return
		}
		file := leaseFile{
			key: fmt.Sprintf("/%s/%s:%d", m.ref(), controllerName(d), d.Unit), name: fmt.Sprintf("disk-%d.vmdk", i),
			path: got.File, bytes: got.Bytes, capacity: d.CapacityBytes, lease: l,
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
	c.leases.hear(l)
	c.leases.watch(l, time.Duration(info.LeaseTimeout)*time.Second)
}

func (s *leases) hear(l *lease) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l.heard = time.Now()
}

// watch ends a lease of which nothing is heard for too long.
func (s *leases) watch(l *lease, limit time.Duration) {
	for {
		time.Sleep(limit / 8)
		s.mu.Lock()
		over, silent := l.closed || l.lost, time.Since(l.heard) > limit
		l.lost = l.lost || silent
		s.mu.Unlock()
		if over {
			return
		}
		if silent {
			l.failWith(faultOf(&types.Timedout{}, "The lease has timed out."))
			return
		}
	}
}

func (l *lease) failWith(no *fault) {
	update(l, types.PropertyChange{Name: "error", Val: *no.localized()},
		types.PropertyChange{Name: "state", Val: types.HttpNfcLeaseStateError})
}

// fail makes the fault of that name what the lease ended with.
func (l *lease) fail(kind string) {
	detail := newFault(kind)
	if detail == nil {
		detail = &types.SystemError{Reason: "the export failed, as asked for"}
	}
	l.failWith(faultOf(detail, "The export failed, as the simulator was told."))
}

// fail ends a lease whose stream was cut, where lease-lost says so.
func (s *leases) fail(l *lease, faults *switches) {
	want, on := faults.get("lease-lost")
	if !on {
		return
	}
	s.lose(l)
	l.fail(want)
}

// lose makes every later call about the lease fail.
func (s *leases) lose(l *lease) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l.lost = true
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
	if c.leases.isLost(l) {
		return nil, faultOf(&types.Timedout{}, "The lease has ended.")
	}
	percent := c.Body.(*types.HttpNfcLeaseProgress).Percent
	if percent < 0 || percent > 100 {
		return nil, invalidArgument("percent")
	}
	c.leases.hear(l)
	update(l, types.PropertyChange{Name: "transferProgress", Val: percent})
	return nil, nil
}

func (s *leases) isLost(l *lease) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return l.lost
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
