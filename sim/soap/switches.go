// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
)

// switches are the injected faults, by name; they may change while calls run.
type switches struct {
	mu  sync.Mutex
	set map[string]string
}

func newSwitches(initial map[string]interface{}) *switches {
	s := &switches{set: make(map[string]string)}
	for name, value := range initial {
		s.change(name, value)
	}
	return s
}

// change takes nil and false as off, true as on without a value.
func (s *switches) change(name string, value interface{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch v := value.(type) {
	case nil:
		delete(s.set, name)
	case bool:
		delete(s.set, name)
		if v {
			s.set[name] = ""
		}
	case float64:
		s.set[name] = strconv.FormatFloat(v, 'f', -1, 64)
	default:
		s.set[name] = fmt.Sprint(v)
	}
}

func (s *switches) get(name string) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, on := s.set[name]
	return v, on
}

// number is the value of a fault that takes one, or 0.
func (s *switches) number(name string) int {
	v, _ := s.get(name)
	n, err := strconv.Atoi(v)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// hits says whether a fault meant for one method (or for all, without a value) strikes this one.
func (s *switches) hits(name, method string) bool {
	v, on := s.get(name)
	return on && (v == "" || v == method)
}

// once is hits, and switches the fault off when it strikes.
func (s *switches) once(name, method string) bool {
	if !s.hits(name, method) {
		return false
	}
	s.change(name, nil)
	return true
}

// lists says whether a comma-separated value has the item.
func (s *switches) lists(name, item string) bool {
	v, on := s.get(name)
	if !on {
		return false
	}
	for _, have := range strings.Split(v, ",") {
		if strings.TrimSpace(have) == item {
			return true
		}
	}
	return false
}
