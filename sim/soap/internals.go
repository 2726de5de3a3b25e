// SPDX-License-Identifier: Apache-2.0

package main

import (
	"reflect"

	"github.com/vmware/govmomi/vim25/types"
)

// Requests that the public interface description leaves out.

type ref = types.ManagedObjectReference

type nfcVM struct {
	This ref  `xml:"_this"`
	VM   *ref `xml:"vm"`
}

type nfcDisk struct {
	This          ref    `xml:"_this"`
	VM            *ref   `xml:"vm"`
	DiskDeviceKey *int32 `xml:"diskDeviceKey"`
	HostForAccess *ref   `xml:"hostForAccess"`
}

type nfcHost struct {
	This          ref  `xml:"_this"`
	Host          *ref `xml:"host"`
	HostForAccess *ref `xml:"hostForAccess"`
}

type nfcFiles struct {
	This          ref  `xml:"_this"`
	Ds            *ref `xml:"ds"`
	HostForAccess *ref `xml:"hostForAccess"`
}

type disableMethods struct {
	This   ref   `xml:"_this"`
	Entity []ref `xml:"entity"`
	Method []struct {
		Method   string `xml:"method"`
		ReasonID string `xml:"reasonId"`
	} `xml:"method"`
	SourceID     string `xml:"sourceId"`
	SessionScope *bool  `xml:"sessionScope"`
}

type enableMethods struct {
	This     ref      `xml:"_this"`
	Entity   []ref    `xml:"entity"`
	Method   []string `xml:"method"`
	SourceID string   `xml:"sourceId"`
}

type queryDiskInfo struct {
	This           ref    `xml:"_this"`
	Name           string `xml:"name"`
	Datacenter     *ref   `xml:"datacenter"`
	IncludeParents bool   `xml:"includeParents"`
}

type createChildDisk struct {
	This             ref    `xml:"_this"`
	ChildName        string `xml:"childName"`
	ChildDatacenter  *ref   `xml:"childDatacenter"`
	ParentName       string `xml:"parentName"`
	ParentDatacenter *ref   `xml:"parentDatacenter"`
	IsLinkedClone    bool   `xml:"isLinkedClone"`
}

// MethodAlreadyDisabledFault says who disabled the method first.
type MethodAlreadyDisabledFault struct {
	types.RuntimeFault
	SourceID string `xml:"sourceId"`
}

func init() {
	for name, of := range map[string]interface{}{
		"NfcGetVmFiles":               nfcVM{},
		"NfcPutVmFiles":               nfcVM{},
		"NfcRandomAccessOpenReadonly": nfcDisk{},
		"NfcRandomAccessOpenDisk":     nfcDisk{},
		"NfcGetServerNfcLibVersion":   nfcHost{},
		"NfcSystemManagement":         nfcHost{},
		"NfcFileManagement":           nfcFiles{},
		"DisableMethods":              disableMethods{},
		"EnableMethods":               enableMethods{},
		"QueryVirtualDiskInfo_Task":   queryDiskInfo{},
		"CreateChildDisk_Task":        createChildDisk{},
		"MethodAlreadyDisabledFault":  MethodAlreadyDisabledFault{},
	} {
		types.Add(name, reflect.TypeOf(of))
	}
}
