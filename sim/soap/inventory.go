// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/sha1"
	"fmt"
	"net/url"
	"path/filepath"
	"sync"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/simulator/esx"
	"github.com/vmware/govmomi/simulator/vpx"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/types"
)

// inventory is the simulated data center: one host, its datastores, its VMs.
type inventory struct {
	conf       *config
	service    *simulator.Service
	client     *vim25.Client
	datacenter *simulator.Datacenter
	host       *simulator.HostSystem
	pool       types.ManagedObjectReference
	datastores []*datastore
	mu         sync.Mutex // guards machines
	machines   map[types.ManagedObjectReference]*machine
	order      []*machine
}

type datastore struct {
	name string
	dir  string // without symbolic links
	ref  types.ManagedObjectReference
}

func newInventory(conf *config) (*inventory, error) {
	content, root := vpx.ServiceContent, vpx.RootFolder
	if conf.ESXi {
		content, root = esx.ServiceContent, esx.RootFolder
	}
	profileOf(conf).tell(&content.About)
	inv := &inventory{conf: conf, machines: make(map[types.ManagedObjectReference]*machine)}
	inv.service = simulator.New(simulator.NewServiceInstance(content, root))
	inv.service.Listen = &url.URL{User: url.UserPassword(conf.User, conf.Password)}
	inv.service.RegisterSDK(simulator.Map)
	client, err := vim25.NewClient(context.Background(), inv.service)
	if err != nil {
		return nil, err
	}
	inv.client = client
	if err := inv.addHost(); err != nil {
		return nil, err
	}
	for _, d := range conf.Datastores {
		if err := inv.addDatastore(d); err != nil {
			return nil, err
		}
	}
	for i := range conf.VMs {
		if _, err := inv.addMachine(conf.VMs[i]); err != nil {
			return nil, err
		}
	}
	return inv, nil
}

// addHost finds the host of an ESXi model, or makes the datacenter and host of a vCenter.
func (inv *inventory) addHost() error {
	if !inv.conf.ESXi {
		if err := inv.createHost(); err != nil {
			return err
		}
	}
	inv.datacenter = simulator.Map.Any("Datacenter").(*simulator.Datacenter)
	inv.host = simulator.Map.Any("HostSystem").(*simulator.HostSystem)
	inv.pool = simulator.Map.Any("ResourcePool").Reference()
	inv.host.Name = inv.conf.NfcHost
	inv.host.Summary.Config.Name = inv.conf.NfcHost
	inv.host.Summary.Config.SslThumbprint = inv.conf.Thumbprint
	inv.host.Runtime.ConnectionState = types.HostSystemConnectionStateConnected
	return nil
}

func (inv *inventory) createHost() error {
	ctx := context.Background()
	dc, err := object.NewRootFolder(inv.client).CreateDatacenter(ctx, "Datacenter")
	if err != nil {
		return err
	}
	folders, err := dc.Folders(ctx)
	if err != nil {
		return err
	}
	spec := types.HostConnectSpec{HostName: inv.conf.NfcHost}
	task, err := folders.HostFolder.AddStandaloneHost(ctx, spec, true, nil, nil)
	if err != nil {
		return err
	}
	return task.Wait(ctx)
}

func (inv *inventory) addDatastore(d datastoreConfig) error {
	dir, err := filepath.Abs(d.Dir)
	if err == nil {
		dir, err = filepath.EvalSymlinks(dir)
	}
	if err != nil {
		return fmt.Errorf("datastore '%s': %w", d.Name, err)
	}
	ds := &simulator.Datastore{}
	ds.Name = d.Name
	if inv.conf.ESXi {
		ds.Self = types.ManagedObjectReference{Type: "Datastore", Value: volumeID(dir)}
	}
	inv.describe(ds, dir)
	inv.link(ds)
	inv.datastores = append(inv.datastores, &datastore{name: d.Name, dir: dir, ref: ds.Self})
	return nil
}

// volumeID is a VMFS volume's name, always the same for a directory.
func volumeID(dir string) string {
	h := sha1.Sum([]byte(dir))
	return fmt.Sprintf("%x-%x-%x-%x", h[:4], h[4:8], h[8:10], h[10:16])
}

func (inv *inventory) describe(ds *simulator.Datastore, dir string) {
	id := volumeID(dir)
	ds.Info = &types.VmfsDatastoreInfo{
		DatastoreInfo: types.DatastoreInfo{Name: ds.Name, Url: dir},
		Vmfs: &types.HostVmfsVolume{
			HostFileSystemVolume: types.HostFileSystemVolume{Type: "VMFS", Name: ds.Name},
			BlockSizeMb:          1,
			MajorVersion:         6,
			Version:              "6.82",
			Uuid:                 id,
			Extent:               []types.HostScsiDiskPartition{{DiskName: "mpx.vmhba0:C0:T0:L0", Partition: 8}},
		},
	}
	ds.Summary = types.DatastoreSummary{
		Name: ds.Name, Url: "ds:///vmfs/volumes/" + id + "/", Accessible: true, Type: "VMFS",
		MultipleHostAccess: types.NewBool(false), MaintenanceMode: "normal",
	}
	ds.Host = []types.DatastoreHostMount{{
		Key: inv.host.Self,
		MountInfo: types.HostMountInfo{
			Path: "/vmfs/volumes/" + id, AccessMode: "readWrite",
			Mounted: types.NewBool(true), Accessible: types.NewBool(true),
		},
	}}
}

// link puts a datastore where a real one is found: host, compute resource, datacenter, folder.
func (inv *inventory) link(ds *simulator.Datastore) {
	m := simulator.Map
	folder := m.Get(inv.datacenter.DatastoreFolder).(*simulator.Folder)
	m.PutEntity(folder, ds)
	ds.Summary.Datastore = &ds.Self
	system := m.Get(*inv.host.ConfigManager.DatastoreSystem).(*simulator.HostDatastoreSystem)
	m.AppendReference(folder, &folder.ChildEntity, ds.Self)
	m.AppendReference(inv.datacenter, &inv.datacenter.Datastore, ds.Self)
	system.Datastore = append(system.Datastore, ds.Self)
	inv.host.Datastore = system.Datastore
	browser := &simulator.HostDatastoreBrowser{}
	browser.Datastore = system.Datastore
	ds.Browser = m.Put(browser).Reference()
	ds.RefreshDatastore(&types.RefreshDatastore{This: ds.Self})
}

func (inv *inventory) datastoreByName(name string) *datastore {
	for _, d := range inv.datastores {
		if d.name == name {
			return d
		}
	}
	return nil
}

func (inv *inventory) datastoreByRef(ref types.ManagedObjectReference) *datastore {
	for _, d := range inv.datastores {
		if d.ref == ref {
			return d
		}
	}
	return nil
}

func (inv *inventory) machine(ref types.ManagedObjectReference) *machine {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	return inv.machines[ref]
}

// all lists the VMs in the order of the configuration.
func (inv *inventory) all() []*machine {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	return append([]*machine(nil), inv.order...)
}

func (inv *inventory) morefs() (vms, datastores []moref) {
	for _, m := range inv.all() {
		vms = append(vms, moref{m.conf.Name, m.vm.Self.Value})
	}
	for _, d := range inv.datastores {
		datastores = append(datastores, moref{d.name, d.ref.Value})
	}
	return vms, datastores
}
