// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"sync"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// job is what a task does: its name as in descriptionId, whether it can be cancelled, its work.
type job struct {
	name       string
	cancelable bool
	quiesce    bool
	machine    *machine // held while the task runs, nil: none
	work       func(task types.ManagedObjectReference) (types.AnyType, *fault)
}

type tasks struct {
	switches *switches
	mu       sync.Mutex
	running  map[types.ManagedObjectReference]*running
}

type running struct {
	cancelable bool
	cancelled  bool
	cancel     chan struct{}
}

func newTasks(s *switches) *tasks {
	return &tasks{switches: s, running: make(map[types.ManagedObjectReference]*running)}
}

// start makes the task and lets it run; the answer is the task's reference.
func (c *call) start(j job) (interface{}, *fault) {
	task := simulator.CreateTask(c.This, j.name, nil)
	ref := task.Self
	if j.machine != nil {
		if no := j.machine.hold(ref); no != nil {
			simulator.Map.Remove(ref)
			return nil, no
		}
	}
	t := c.tasks
	r := &running{cancelable: j.cancelable, cancel: make(chan struct{})}
	t.mu.Lock()
	t.running[ref] = r
	t.mu.Unlock()
	simulator.Map.WithLock(task, func() {
		task.Info.Name = strings.TrimPrefix(c.Name, "Vslm") // of the method, as clients look it up
		task.Info.Cancelable = j.cancelable
		task.Info.Entity, task.Info.EntityName = nil, "" // managers and snapshots are no entities
		if j.machine != nil {
			task.Info.Entity, task.Info.EntityName = &j.machine.vm.Self, j.machine.conf.Name
		}
		task.Info.Reason = &types.TaskReasonUser{UserName: c.conf.User}
	})
	go t.run(c.Name, task, r, j)
	return &taskReply{ref}, nil
}

type taskReply struct {
	Returnval types.ManagedObjectReference `xml:"returnval"`
}

func (t *tasks) run(method string, task *simulator.Task, r *running, j job) {
	result, no := t.perform(method, task, r, j)
	if j.machine != nil {
		j.machine.release()
	}
	t.mu.Lock()
	delete(t.running, task.Self)
	cancelled := r.cancelled && no != nil && no.kind() == "RequestCanceled"
	t.mu.Unlock()
	changes := []types.PropertyChange{
		{Name: "info.completeTime", Val: time.Now().UTC()},
		{Name: "info.cancelled", Val: cancelled},
		{Name: "info.cancelable", Val: false},
	}
	if no != nil {
		changes = append(changes, types.PropertyChange{Name: "info.error", Val: *no.localized()},
			types.PropertyChange{Name: "info.state", Val: types.TaskInfoStateError})
	} else {
		changes = append(changes, types.PropertyChange{Name: "info.progress", Val: int32(100)},
			types.PropertyChange{Name: "info.result", Val: result},
			types.PropertyChange{Name: "info.state", Val: types.TaskInfoStateSuccess})
	}
	update(task, changes...)
}

func update(obj mo.Reference, changes ...types.PropertyChange) {
	simulator.Map.WithLock(obj, func() { simulator.Map.Update(obj, changes) })
}

// perform waits as long as slow-task says, telling progress, then works.
func (t *tasks) perform(method string, task *simulator.Task, r *running, j job) (types.AnyType, *fault) {
	slow := time.Duration(t.switches.number("slow-task")) * time.Millisecond
	if !r.pause(slow / 10) {
		return nil, canceled()
	}
	update(task, types.PropertyChange{Name: "info.startTime", Val: time.Now().UTC()},
		types.PropertyChange{Name: "info.state", Val: types.TaskInfoStateRunning})
	for percent := int32(10); slow > 0 && percent <= 90; percent += 10 {
		if !r.pause(slow / 10) {
			return nil, canceled()
		}
		update(task, types.PropertyChange{Name: "info.progress", Val: percent})
	}
	if j.machine != nil && !t.answered(r, j.machine) {
		return nil, canceled()
	}
	if no := t.failing(method, j.quiesce); no != nil {
		return nil, no
	}
	return j.attempt(task.Self)
}

// attempt tells a panic in the library as a failure of the task.
func (j job) attempt(task types.ManagedObjectReference) (result types.AnyType, no *fault) {
	defer func() {
		if p := recover(); p != nil {
			result, no = nil, systemError("%s: %v", j.name, p)
		}
	}()
	return j.work(task)
}

// pause is false if the task was cancelled meanwhile.
func (r *running) pause(d time.Duration) bool {
	select {
	case <-r.cancel:
		return false
	case <-time.After(d):
		return true
	}
}

func canceled() *fault {
	return faultOf(&types.RequestCanceled{}, "The task was canceled by a user.")
}

// failing makes the fault task-fails asks for: FAULT or METHOD:FAULT.
func (t *tasks) failing(method string, quiesce bool) *fault {
	want, on := t.switches.get("task-fails")
	if !on {
		return nil
	}
	if only, kind, ok := strings.Cut(want, ":"); ok {
		if only != method {
			return nil
		}
		want = kind
	}
	if strings.HasSuffix(want, "QuiesceFault") && !quiesce {
		return nil
	}
	detail := newFault(want)
	if detail == nil {
		return systemError("the task failed, as asked for")
	}
	return faultOf(detail, "The operation failed, as the simulator was told: %s", want)
}

var taskHandlers = map[string]handler{"CancelTask": cancelTask}

func cancelTask(c *call) (interface{}, *fault) {
	if simulator.Map.Get(c.This) == nil {
		return nil, notFoundFault(c.This)
	}
	c.tasks.mu.Lock()
	defer c.tasks.mu.Unlock()
	r := c.tasks.running[c.This]
	if r == nil {
		return nil, faultOf(&types.InvalidState{}, "The operation is not allowed in the current state.")
	}
	if !r.cancelable {
		return nil, faultOf(&types.NotSupported{}, "The task cannot be canceled.")
	}
	if !r.cancelled {
		r.cancelled = true
		close(r.cancel)
	}
	return nil, nil
}
