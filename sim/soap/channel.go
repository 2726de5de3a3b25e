// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"sync"

	"github.com/vmware/govmomi/vim25/types"
)

// channel is the line-by-line JSON dialogue with the process that owns the disks: requests go out
// with an id, answers come back in any order, events come without one.
type channel struct {
	in     *bufio.Reader
	out    io.Writer
	mu     sync.Mutex // guards out, next and waiting
	next   int64
	wait   map[int64]chan answer
	closed bool
}

type fields map[string]interface{}

type answer struct {
	ID    *int64          `json:"id"`
	Event string          `json:"event"`
	Fault string          `json:"fault"`
	Value interface{}     `json:"value"`
	Told  bool            `json:"tell"` // the other side waits to hear that it is done
	Error *channelError   `json:"error"`
	Body  json.RawMessage `json:"-"`
}

type channelError struct {
	Fault   string `json:"fault"`
	Message string `json:"message"`
}

func newChannel(rw io.ReadWriter) *channel {
	return &channel{in: bufio.NewReaderSize(rw, 1<<16), out: rw, wait: make(map[int64]chan answer)}
}

// readConfig takes the first line.
func (c *channel) readConfig() (*config, error) {
	line, err := c.in.ReadBytes('\n')
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	conf := new(config)
	if err := json.Unmarshal(line, conf); err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	conf.defaults()
	return conf, nil
}

func (c *channel) send(v interface{}) error {
	line, err := json.Marshal(v)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	_, err = c.out.Write(append(line, '\n'))
	return err
}

// run hands answers to those who wait for them and events to the given function, until the other
// side closes.
func (c *channel) run(event func(answer)) {
	for {
		line, err := c.in.ReadBytes('\n')
		if err != nil {
			break
		}
		var a answer
		if json.Unmarshal(line, &a) != nil {
			continue
		}
		a.Body = line
		if a.ID == nil {
			event(a)
			continue
		}
		c.deliver(a)
	}
	c.close()
}

func (c *channel) deliver(a answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if w := c.wait[*a.ID]; w != nil {
		delete(c.wait, *a.ID)
		w <- a
	}
}

func (c *channel) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for id, w := range c.wait {
		delete(c.wait, id)
		close(w)
	}
}

func (c *channel) enter() (int64, chan answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := make(chan answer, 1)
	c.next++
	if c.closed {
		close(w)
	} else {
		c.wait[c.next] = w
	}
	return c.next, w
}

// ask sends one request and decodes its answer into ret (nil: not wanted).
func (c *channel) ask(op string, args fields, ret interface{}) *fault {
	id, w := c.enter()
	line := fields{"id": id, "op": op}
	for k, v := range args {
		line[k] = v
	}
	if err := c.send(line); err != nil {
		return systemError("the simulator's disks cannot be reached: %v", err)
	}
	a, ok := <-w
	if !ok {
		return systemError("the simulator's disks are gone")
	}
	if a.Error != nil {
		return a.Error.fault(args)
	}
	if ret == nil {
		return nil
	}
	if err := json.Unmarshal(a.Body, ret); err != nil {
		return systemError("answer to %s: %v", op, err)
	}
	return nil
}

// fault makes the vim25 fault the other side named; file faults get the path that was asked for.
func (e *channelError) fault(args fields) *fault {
	detail := newFault(e.Fault)
	if detail == nil {
		return systemError("%s: %s", e.Fault, e.Message)
	}
	path, _ := args["path"].(string)
	if f := reflect.ValueOf(detail).Elem().FieldByName("File"); f.IsValid() && f.Kind() == reflect.String {
		f.SetString(path)
	}
	return &fault{message: e.Message, detail: detail}
}

// newFault makes an empty fault of a vim25 type, or nil where the name is no fault.
func newFault(name string) types.BaseMethodFault {
	kind, ok := types.TypeFunc()(name)
	if !ok || kind.Kind() != reflect.Struct {
		return nil
	}
	detail, ok := reflect.New(kind).Interface().(types.BaseMethodFault)
	if !ok {
		return nil
	}
	return detail
}
