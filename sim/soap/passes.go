// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/vmware/govmomi/vim25/types"
)

// passes are generic service tickets: each opens one URL for one method, once.
type passes struct {
	mu sync.Mutex
	by map[string]pass
}

type pass struct {
	method  string
	path    string
	store   string
	expires time.Time
}

const passLife = 2 * time.Minute

func newPasses() *passes { return &passes{by: make(map[string]pass)} }

var passHandlers = map[string]handler{"AcquireGenericServiceTicket": acquirePass}

type passReply struct {
	Returnval types.SessionManagerGenericServiceTicket `xml:"returnval"`
}

func acquirePass(c *call) (interface{}, *fault) {
	spec, ok := c.Body.(*types.AcquireGenericServiceTicket).Spec.(*types.SessionManagerHttpServiceRequestSpec)
	if !ok {
		return nil, invalidArgument("spec")
	}
	to, err := url.Parse(spec.Url)
	if err != nil || !strings.HasPrefix(to.Path, "/folder") {
		return nil, invalidArgument("spec.url")
	}
	method := strings.ToUpper(strings.TrimPrefix(spec.Method, "http"))
	if method == "" {
		method = http.MethodGet
	}
	id := "52" + randomHex(15)
	p := c.passes
	p.mu.Lock()
	defer p.mu.Unlock()
	p.by[id] = pass{method: method, path: to.Path, store: to.Query().Get("dsName"), expires: time.Now().Add(passLife)}
	host := c.conf.NfcHost
	return &passReply{types.SessionManagerGenericServiceTicket{Id: id, HostName: host, SslThumbprint: c.conf.Thumbprint}}, nil
}

// use says whether the request carries a pass for itself, and spends it.
func (p *passes) use(r *http.Request) bool {
	cookie, err := r.Cookie("vmware_cgi_ticket")
	if err != nil {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	id := strings.Trim(cookie.Value, `"`)
	have, ok := p.by[id]
	delete(p.by, id)
	return ok && time.Now().Before(have.expires) && have.method == r.Method && have.path == r.URL.Path &&
		have.store == r.URL.Query().Get("dsName")
}
