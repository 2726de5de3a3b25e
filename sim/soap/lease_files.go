// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/sha1"
	"encoding/hex"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// serveLease sends one stream of a lease. The URL is the secret; there are no ranges, as on real
// hosts. Imports go on to the library.
func (f *front) serveLease(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/nfc/"), "/")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		simulator.ServeNFC(w, r)
		return
	}
	if len(parts) != 2 {
		http.NotFound(w, r)
		return
	}
	file, ok := f.leases.file(parts[0], parts[1])
	if !ok {
		http.NotFound(w, r)
		return
	}
	in, err := os.Open(file.path)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	defer in.Close()
	w.Header().Set("Content-Type", "application/x-vnd.vmware-streamVmdk")
	w.Header().Set("Content-Length", strconv.FormatInt(file.bytes, 10))
	if r.Method == http.MethodGet {
		f.sendStream(w, file, in)
	}
}

// sendStream sends a disk, as slowly and as far as faults say.
func (f *front) sendStream(w http.ResponseWriter, file leaseFile, in io.Reader) {
	f.cutting("cut-exports", w, func(w http.ResponseWriter) {
		if pause := f.switches.number("slow-exports"); pause > 0 {
			w = &slowWriter{w, time.Duration(pause) * time.Millisecond}
		}
		io.CopyN(struct{ io.Writer }{w}, struct{ io.Reader }{in}, file.bytes)
	}, func() { f.leases.fail(file.lease, f.switches) })
}

// slowWriter rests before each piece, and sends it at once.
type slowWriter struct {
	http.ResponseWriter
	pause time.Duration
}

func (s *slowWriter) Write(bytes []byte) (int, error) {
	time.Sleep(s.pause)
	n, err := s.ResponseWriter.Write(bytes)
	if f, ok := s.ResponseWriter.(http.Flusher); ok {
		f.Flush()
	}
	return n, err
}

func (s *leases) file(ticket, name string) (leaseFile, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.byID {
		if l.lost || !same(l.ticket, ticket) {
			continue
		}
		for _, file := range l.files {
			if file.name == name {
				return file, true
			}
		}
	}
	return leaseFile{}, false
}

type manifestReply struct {
	Returnval []types.HttpNfcLeaseManifestEntry `xml:"returnval"`
}

func leaseManifest(c *call) (interface{}, *fault) {
	l, no := c.lease()
	if no != nil {
		return nil, no
	}
	c.leases.mu.Lock()
	files := append([]leaseFile(nil), l.files...)
	c.leases.mu.Unlock()
	reply := new(manifestReply)
	for _, file := range files {
		digest, err := sha1Of(file.path)
		if err != nil {
			return nil, systemError("manifest: the export '%s' cannot be read", file.name)
		}
		reply.Returnval = append(reply.Returnval, types.HttpNfcLeaseManifestEntry{
			Key: file.key, Sha1: digest, Checksum: digest, ChecksumType: "sha1", Size: file.bytes,
			Disk: true, Capacity: file.capacity, PopulatedSize: file.bytes,
		})
	}
	return reply, nil
}

func sha1Of(path string) (string, error) {
	in, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer in.Close()
	h := sha1.New()
	if _, err := io.Copy(h, in); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
