// SPDX-License-Identifier: Apache-2.0

package main

// diskConfig is one disk of a VM as the process that owns the files describes it.
type diskConfig struct {
	Key           int32    `json:"key"`
	Label         string   `json:"label"`
	CapacityBytes int64    `json:"capacityBytes"`
	Thin          bool     `json:"thin"`
	UUID          string   `json:"uuid"`
	Adapter       string   `json:"adapter"`
	Bus           int32    `json:"bus"`
	Unit          int32    `json:"unit"`
	Mode          string   `json:"mode"`
	Chain         []string `json:"chain"` // datastore paths, leaf first
	ChangeID      string   `json:"changeId"`
}

type vmConfig struct {
	Name         string       `json:"name"`
	Vmx          string       `json:"vmx"`
	PoweredOn    bool         `json:"poweredOn"`
	UUID         string       `json:"uuid"`
	InstanceUUID string       `json:"instanceUuid"`
	Tracking     bool         `json:"tracking"`
	Disks        []diskConfig `json:"disks"`
}

type datastoreConfig struct {
	Name string `json:"name"`
	Dir  string `json:"dir"`
}

// config is the first line of the control channel.
type config struct {
	ESXi             bool                   `json:"esxi"`
	Profile          int                    `json:"profile"`
	NfcVersion       *int                   `json:"nfcVersion"`
	Listen           string                 `json:"listen"`
	Cert             string                 `json:"cert"`
	Key              string                 `json:"key"`
	User             string                 `json:"user"`
	Password         string                 `json:"password"`
	NfcHost          string                 `json:"nfcHost"`
	NfcPort          int32                  `json:"nfcPort"`
	Thumbprint       string                 `json:"thumbprint"`
	ThumbprintSHA256 string                 `json:"thumbprintSha256"`
	Datastores       []datastoreConfig      `json:"datastores"`
	VMs              []vmConfig             `json:"vms"`
	Faults           map[string]interface{} `json:"faults"`
}

// moref names one object of the configuration in the ready line.
type moref struct {
	Name  string `json:"name"`
	Moref string `json:"moref"`
}

// readyLine is what this process says first.
type readyLine struct {
	Ready      bool    `json:"ready"`
	Error      string  `json:"error,omitempty"`
	Port       int     `json:"port,omitempty"`
	VMs        []moref `json:"vms,omitempty"`
	Datastores []moref `json:"datastores,omitempty"`
}

// defaults fills what the configuration may leave out.
func (c *config) defaults() {
	if c.Profile == 0 {
		c.Profile = 8
	}
	if c.NfcVersion == nil {
		n := map[int]int{8: 11, 7: 7, 6: 2}[c.Profile]
		c.NfcVersion = &n
	}
	if c.Listen == "" {
		c.Listen = "127.0.0.1:0"
	}
	if c.NfcHost == "" {
		c.NfcHost = "127.0.0.1"
	}
	for i := range c.VMs {
		for j := range c.VMs[i].Disks {
			c.VMs[i].Disks[j].defaults()
		}
	}
}

func (d *diskConfig) defaults() {
	if d.Adapter == "" {
		d.Adapter = "lsilogic"
	}
	if d.Mode == "" {
		d.Mode = "persistent"
	}
	if d.Label == "" {
		d.Label = "Hard disk"
	}
}
