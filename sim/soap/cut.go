// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"net/http"
)

var errCut = errors.New("cut, as asked for")

// cutter sends so many bytes of a body and then hangs up, in the middle of it.
type cutter struct {
	http.ResponseWriter
	left int64
	cut  bool // it has hung up; a body that ends just there is whole
}

func (c *cutter) Write(bytes []byte) (int, error) {
	if int64(len(bytes)) <= c.left {
		c.left -= int64(len(bytes))
		return c.ResponseWriter.Write(bytes)
	}
	c.ResponseWriter.Write(bytes[:c.left])
	if f, ok := c.ResponseWriter.(http.Flusher); ok {
		f.Flush()
	}
	c.left, c.cut = 0, true
	return 0, errCut
}

// cutting runs a handler whose body is cut where a fault says so, and then whenCut.
func (f *front) cutting(fault string, w http.ResponseWriter, run func(http.ResponseWriter), whenCut func()) {
	after := f.switches.number(fault)
	if after == 0 {
		run(w)
		return
	}
	c := &cutter{ResponseWriter: w, left: int64(after)}
	run(c)
	if c.cut {
		whenCut()
		panic(http.ErrAbortHandler) // the way to close the connection
	}
}
