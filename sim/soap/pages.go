// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"sync"

	"github.com/vmware/govmomi/vim25/types"
)

// pages are the rests of property answers that were cut; each belongs to a session.
type pages struct {
	mu   sync.Mutex
	next int
	by   map[string]*rest // by token
}

type rest struct {
	owner   *session
	objects [][]byte
	size    int
}

// rawReply is an answer that is XML already: the content of the Response element.
type rawReply struct {
	Inner []byte `xml:",innerxml"`
}

func newPages() *pages {
	return &pages{by: make(map[string]*rest)}
}

var pageHandlers = map[string]handler{
	"RetrievePropertiesEx":         retrieve,
	"ContinueRetrievePropertiesEx": continueRetrieve,
	"CancelRetrievePropertiesEx":   cancelRetrieve,
}

// retrieve has the library collect everything, then cuts: at the client's maxObjects, or at the
// simulator's own page size if that is smaller.
func retrieve(c *call) (interface{}, *fault) {
	req := c.Body.(*types.RetrievePropertiesEx)
	size := int(req.Options.MaxObjects)
	if own := c.switches.number("page-size"); own > 0 && (size <= 0 || own < size) {
		size = own
	}
	if size < 0 {
		return nil, invalidArgument("maxObjects")
	}
	if size == 0 {
		return nil, forward
	}
	rec := c.ask(c.raw)
	if rec.Code != 200 {
		return nil, forward
	}
	objects, err := cutObjects(rec.Body.Bytes())
	if err != nil {
		return nil, systemError("%v", err)
	}
	return c.page(&rest{owner: c.session, objects: objects, size: size}), nil
}

// page takes the first objects of the rest and keeps the others under a new token.
func (c *call) page(r *rest) interface{} {
	n := len(r.objects)
	if n == 0 {
		return nil
	}
	var out bytes.Buffer
	out.WriteString("<returnval>")
	if n > r.size {
		n = r.size
		token := c.pages.keep(&rest{owner: r.owner, objects: r.objects[n:], size: r.size})
		fmt.Fprintf(&out, "<token>%s</token>", token)
	}
	for _, object := range r.objects[:n] {
		out.Write(object)
	}
	out.WriteString("</returnval>")
	return &rawReply{out.Bytes()}
}

func (p *pages) keep(r *rest) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next++
	token := fmt.Sprint(p.next)
	p.by[token] = r
	return token
}

func (p *pages) take(token string, owner *session) (*rest, *fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.by[token]
	if r == nil || r.owner != owner {
		return nil, faultOf(&types.InvalidProperty{Name: "token"}, "The token is not valid.")
	}
	delete(p.by, token)
	return r, nil
}

func continueRetrieve(c *call) (interface{}, *fault) {
	r, no := c.pages.take(c.Body.(*types.ContinueRetrievePropertiesEx).Token, c.session)
	if no != nil {
		return nil, no
	}
	return c.page(r), nil
}

func cancelRetrieve(c *call) (interface{}, *fault) {
	_, no := c.pages.take(c.Body.(*types.CancelRetrievePropertiesEx).Token, c.session)
	return nil, no
}

// cutObjects finds the <objects> elements of an answer, byte by byte as they stand.
func cutObjects(body []byte) ([][]byte, error) {
	d := xml.NewDecoder(bytes.NewReader(body))
	var list [][]byte
	for {
		start := d.InputOffset()
		token, err := d.RawToken()
		if token == nil {
			return list, nil
		}
		if err != nil {
			return nil, err
		}
		if e, ok := token.(xml.StartElement); !ok || e.Name.Local != "objects" {
			continue
		}
		if err := skipElement(d); err != nil {
			return nil, err
		}
		list = append(list, body[start:d.InputOffset()])
	}
}

// skipElement reads to the end of the element just begun.
func skipElement(d *xml.Decoder) error {
	for depth := 1; depth > 0; {
		token, err := d.RawToken()
		if err != nil {
			return err
		}
		switch token.(type) {
		case xml.StartElement:
			depth++
		case xml.EndElement:
			depth--
		}
	}
	return nil
}
