// SPDX-License-Identifier: Apache-2.0

package main

import (
	"sort"
	"sync"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// blocks are the methods that someone disabled on a VM, and who did.
type blocks struct {
	mu sync.Mutex
	by map[ref]map[string]string // entity, method -> source
}

func newBlocks() *blocks {
	return &blocks{by: make(map[ref]map[string]string)}
}

var blockHandlers = map[string]handler{
	"DisableMethods": disable,
	"EnableMethods":  enable,
}

// check refuses a method that is disabled on the object of the call.
func (b *blocks) check(entity ref, method string) *fault {
	b.mu.Lock()
	defer b.mu.Unlock()
	source, blocked := b.by[entity][method]
	if !blocked {
		return nil
	}
	return faultOf(&types.MethodDisabled{Source: source}, "The method is disabled by '%s'", source)
}

// disable takes all entities and methods, or none.
func disable(c *call) (interface{}, *fault) {
	req := c.Body.(*disableMethods)
	if no := c.blockable(req.Entity, len(req.Method), req.SourceID); no != nil {
		return nil, no
	}
	b := c.blocks
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, entity := range req.Entity {
		for _, method := range req.Method {
			if _, taken := b.by[entity][method.Method]; taken {
				source := b.by[entity][method.Method]
				return nil, faultOf(&MethodAlreadyDisabledFault{SourceID: source}, "The method is disabled by '%s'", source)
			}
		}
	}
	for _, entity := range req.Entity {
		if b.by[entity] == nil {
			b.by[entity] = make(map[string]string)
		}
		for _, method := range req.Method {
			b.by[entity][method.Method] = req.SourceID
		}
		b.show(entity)
	}
	return nil, nil
}

// enable takes back what the same source disabled; the rest stays.
func enable(c *call) (interface{}, *fault) {
	req := c.Body.(*enableMethods)
	if no := c.blockable(req.Entity, len(req.Method), req.SourceID); no != nil {
		return nil, no
	}
	b := c.blocks
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, entity := range req.Entity {
		for _, method := range req.Method {
			if b.by[entity][method] == req.SourceID {
				delete(b.by[entity], method)
			}
		}
		b.show(entity)
	}
	return nil, nil
}

func (c *call) blockable(entities []ref, methods int, source string) *fault {
	switch {
	case c.conf.ESXi:
		return faultOf(&types.NotSupported{}, "The operation is not supported on the object.")
	case len(entities) == 0:
		return invalidArgument("entity")
	case methods == 0:
		return invalidArgument("method")
	case source == "":
		return invalidArgument("sourceId")
	}
	for _, entity := range entities {
		if simulator.Map.Get(entity) == nil {
			return notFoundFault(entity)
		}
	}
	return nil
}

// show makes the VM's disabledMethod property tell.
func (b *blocks) show(entity ref) {
	vm, ok := simulator.Map.Get(entity).(*simulator.VirtualMachine)
	if !ok {
		return
	}
	var names []string
	for method := range b.by[entity] {
		names = append(names, method)
	}
	sort.Strings(names)
	update(vm, types.PropertyChange{Name: "disabledMethod", Val: names})
}
