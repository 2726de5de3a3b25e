// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"
	"net/http"
	"path"
	"reflect"
	"strconv"
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
	vslm "github.com/vmware/govmomi/vslm/types"
)

const vslmSpace = "urn:vslm"

// vslmHandlers answer the global catalogue of first class disks; most are the vim25 calls without
// a datastore.
var vslmHandlers = map[string]handler{
	"RetrieveContent":                     vslmContent,
	"VslmListVStorageObjectForSpec":       vslmList,
	"VslmRetrieveVStorageObject":          retrieveFcd,
	"VslmSetVStorageObjectControlFlags":   func(c *call) (interface{}, *fault) { return c.controlFlags(true) },
	"VslmClearVStorageObjectControlFlags": func(c *call) (interface{}, *fault) { return c.controlFlags(false) },
	"VslmRetrieveSnapshotInfo":            fcdSnapshots,
	"VslmRetrieveSnapshotDetails":         fcdSnapshotDetails,
	"VslmQueryChangedDiskAreas":           fcdChanged,
	"VslmCreateDisk_Task":                 vslmTask(createFcd),
	"VslmExtendDisk_Task":                 vslmTask(extendFcd),
	"VslmDeleteVStorageObject_Task":       vslmTask(deleteFcd),
	"VslmCreateSnapshot_Task":             vslmTask(snapshotFcd),
	"VslmDeleteSnapshot_Task":             vslmTask(deleteFcdSnapshot),
	"VslmCancelTask":                      vslmCancel,
	"VslmQueryInfo":                       vslmTaskInfo,
	"VslmQueryTaskResult":                 vslmTaskResult,
}

func vslmTypeByName(name string) (reflect.Type, bool) {
	if i := strings.IndexByte(name, ':'); i >= 0 {
		name = name[i+1:]
	}
	if kind, ok := types.TypeFunc()("vslm:" + name); ok {
		return kind, ok
	}
	return types.TypeFunc()(name)
}

// serveVslm takes the session from the envelope's header, as real servers do, or from the cookie.
// In the header it is without the quotes of the cookie.
func (f *front) serveVslm(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost || f.conf.ESXi || f.conf.Profile < 7 && *f.conf.NfcVersion == 0 {
		http.NotFound(w, r)
		return
	}
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c := &call{front: f, request: r, raw: raw, space: vslmSpace}
	c.Method, err = simulator.UnmarshalBody(vslmTypeByName, raw)
	if err != nil || vslmHandlers[c.Name] == nil {
		writeFault(w, faultOf(&types.InvalidRequest{}, "the global catalogue does not know the method"))
		return
	}
	if c.sabotage(w, c.Name) {
		return
	}
	result, no := c.answerVslm()
	if no != nil {
		writeFault(w, no)
		return
	}
	writeResult(w, c.Name, vslmSpace, result)
}

func (c *call) answerVslm() (interface{}, *fault) {
	limit := c.switches.number("expired-session-after")
	if cookie := strings.TrimPrefix(c.Header.Cookie, cookieName+"="); cookie != "" {
		c.session = c.sessions.use(cookie, limit)
	} else {
		c.session = c.sessions.find(c.request, limit)
	}
	if c.session == nil && c.Name != "RetrieveContent" {
		return nil, notAuthenticated(c.This)
	}
	return vslmHandlers[c.Name](c)
}

type vslmContentReply struct {
	Returnval vslm.VslmServiceInstanceContent `xml:"returnval"`
}

func vslmContent(c *call) (interface{}, *fault) {
	return &vslmContentReply{vslm.VslmServiceInstanceContent{
		AboutInfo: vslm.VslmAboutInfo{
			Name: "Virtual Storage Lifecycle Manager", FullName: "Virtual Storage Lifecycle Manager " + c.profile.version,
			Vendor: "VMware, Inc.", ApiVersion: c.profile.apiVersion,
		},
		SessionManager:          ref{Type: "VslmSessionManager", Value: "SessionManager"},
		VStorageObjectManager:   ref{Type: "VslmVStorageObjectManager", Value: "VStorageObjectManager"},
		StorageLifecycleManager: ref{Type: "VslmStorageLifecycleManager", Value: "StorageLifecycleManager"},
	}}, nil
}

// vslmTask renames the task of a vim25 call.
func vslmTask(h handler) handler {
	return func(c *call) (interface{}, *fault) {
		reply, no := h(c)
		if no != nil {
			return nil, no
		}
		reply.(*taskReply).Returnval.Type = "VslmTask"
		return reply, nil
	}
}

func (c *call) vimTask() (info types.TaskInfo, no *fault) {
	task, ok := simulator.Map.Get(ref{Type: "Task", Value: c.This.Value}).(*simulator.Task)
	if !ok {
		return info, notFoundFault(c.This)
	}
	simulator.Map.WithLock(task, func() { info = task.Info })
	return info, nil
}

func vslmCancel(c *call) (interface{}, *fault) {
	c.This.Type = "Task"
	return cancelTask(c)
}

type vslmInfoReply struct {
	Returnval vslm.VslmTaskInfo `xml:"returnval"`
}

func vslmTaskInfo(c *call) (interface{}, *fault) {
	info, no := c.vimTask()
	if no != nil {
		return nil, no
	}
	return &vslmInfoReply{vslm.VslmTaskInfo{
		Key: info.Key, Task: c.This, Name: "Vslm" + info.Name, DescriptionId: info.DescriptionId,
		State: vslm.VslmTaskInfoState(info.State), Cancelled: info.Cancelled, Cancelable: info.Cancelable,
		Error: info.Error, Result: info.Result, Progress: info.Progress,
		Reason:    &vslm.VslmTaskReasonUser{UserName: c.conf.User},
		QueueTime: info.QueueTime, StartTime: info.StartTime, CompleteTime: info.CompleteTime,
	}}, nil
}

type anyReply struct {
	Returnval types.AnyType `xml:"returnval,omitempty,typeattr"`
}

func vslmTaskResult(c *call) (interface{}, *fault) {
	info, no := c.vimTask()
	if no != nil {
		return nil, no
	}
	if info.Error != nil {
		return nil, &fault{message: info.Error.LocalizedMessage, detail: info.Error.Fault}
	}
	return &anyReply{info.Result}, nil
}

type vslmListReply struct {
	Returnval vslm.VslmVsoVStorageObjectQueryResult `xml:"returnval"`
}

// vslmList gives the disks that fit every query, at most maxResult of them.
func vslmList(c *call) (interface{}, *fault) {
	req := c.Body.(*vslm.VslmListVStorageObjectForSpec)
	reply := &vslmListReply{}
	reply.Returnval.AllRecordsReturned = true
	for _, store := range c.inv.datastores {
		for _, d := range c.fcds.list(store) {
			object, no := c.fcds.object(d)
			if no != nil || !fits(object, d, req.Query) {
				continue
			}
			if req.MaxResult > 0 && len(reply.Returnval.Id) >= int(req.MaxResult) {
				reply.Returnval.AllRecordsReturned = false
				return reply, nil
			}
			created := d.created
			reply.Returnval.Id = append(reply.Returnval.Id, types.ID{Id: d.id})
			reply.Returnval.QueryResults = append(reply.Returnval.QueryResults, vslm.VslmVsoVStorageObjectResult{
				Id: types.ID{Id: d.id}, Name: object.Config.Name, CapacityInMB: object.Config.CapacityInMB,
				CreateTime: &created, DatastoreUrl: "ds:///vmfs/volumes/" + volumeID(store.dir) + "/", DiskPath: path.Base(d.path),
			})
		}
	}
	return reply, nil
}

func fits(o *types.VStorageObject, d fcd, query []vslm.VslmVsoVStorageObjectQuerySpec) bool {
	for _, q := range query {
		have := map[string]string{
			"id": d.id, "name": o.Config.Name, "datastoreMoId": d.store.ref.Value,
			"capacity": strconv.FormatInt(o.Config.CapacityInMB, 10),
		}[q.QueryField]
		hit := false
		for _, want := range q.QueryValue {
			hit = hit || compare(have, q.QueryOperator, want)
		}
		if !hit {
			return false
		}
	}
	return true
}

func compare(have, operator, want string) bool {
	a, errA := strconv.ParseInt(have, 10, 64)
	b, errB := strconv.ParseInt(want, 10, 64)
	numbers := errA == nil && errB == nil
	switch operator {
	case "equals":
		return have == want
	case "notEquals":
		return have != want
	case "contains":
		return strings.Contains(have, want)
	case "startsWith":
		return strings.HasPrefix(have, want)
	case "endsWith":
		return strings.HasSuffix(have, want)
	case "lessThan":
		return numbers && a < b
	case "greaterThan":
		return numbers && a > b
	}
	return false
}
