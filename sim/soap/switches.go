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
	mu     sync.Mutex
	set    map[string]string
	seen   map[string]int // calls since the fault was set, of those it counts
	struck map[string]int // calls it spoiled since then
}

func newSwitches(initial map[string]interface{}) *switches {
	s := &switches{set: make(map[string]string), seen: make(map[string]int), struck: make(map[string]int)}
	for name, value := range initial {
		s.change(name, value)
	}
	return s
}

// change takes nil and false as off, true as on without a value. It tells how often the fault struck
// before.
func (s *switches) change(name string, value interface{}) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	struck := s.struck[name]
	delete(s.seen, name)
	delete(s.struck, name)
	s.put(name, value)
	return struck
}

func (s *switches) put(name string, value interface{}) {
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

// hits says whether a fault strikes this call: one meant for a method, for every call from the N-th
// after it was set, or for all. A fault that strikes once is off then.
func (s *switches) hits(name, method string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, on := s.set[name]
	if !on {
		return false
	}
	if n, err := strconv.Atoi(v); err == nil {
		s.seen[name]++
		on = s.seen[name] >= n
	} else {
		on = v == "" || v == method
	}
	if !on {
		return false
	}
	s.struck[name]++
	if strings.HasSuffix(name, "-once") {
		delete(s.set, name)
	}
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
