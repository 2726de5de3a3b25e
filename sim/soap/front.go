// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// maxRequest bounds what is read of one SOAP request.
const maxRequest = 16 << 20

// front answers HTTPS: what the library cannot do itself, the rest by the library.
type front struct {
	conf     *config
	profile  profile
	ch       *channel
	inv      *inventory
	switches *switches
	sessions *sessions
	tasks    *tasks
	pages    *pages
	leases   *leases
	blocks   *blocks
	passes   *passes
	fcds     *fcds
	handlers map[string]handler
	mux      *http.ServeMux
}

// call is one SOAP request on its way.
type call struct {
	*front
	*simulator.Method
	space   string // namespace of the request
	session *session
	request *http.Request
	raw     []byte
}

// handler answers a call: the content of its Response element (nil: empty), or a fault; `forward`
// leaves the call to the library.
type handler func(c *call) (interface{}, *fault)

var forward = &fault{message: "not answered here"}

func newFront(conf *config, ch *channel, inv *inventory) *front {
	f := &front{conf: conf, profile: profileOf(conf), ch: ch, inv: inv}
	f.switches = newSwitches(conf.Faults)
	f.sessions = newSessions()
	f.tasks = newTasks(f.switches)
	f.pages = newPages()
	f.leases = newLeases()
	f.blocks = newBlocks()
	f.passes = newPasses()
	f.fcds = newFcds(f)
	f.handlers = make(map[string]handler)
	for _, group := range []map[string]handler{
		sessionHandlers, pageHandlers, ticketHandlers, snapshotHandlers, machineHandlers, changedHandlers,
		taskHandlers, blockHandlers, privilegeHandlers, leaseHandlers, diskHandlers, fcdHandlers, passHandlers,
		questionHandlers,
	} {
		for name, h := range group {
			f.handlers[name] = h
		}
	}
	f.mux = http.NewServeMux()
	f.mux.HandleFunc("/sdk", f.serveSDK)
	f.mux.HandleFunc("/sdk/", f.serveSDK)
	f.mux.HandleFunc("/vslm/sdk", f.serveVslm)
	f.mux.HandleFunc("/folder", f.serveFolder)
	f.mux.HandleFunc("/folder/", f.serveFolder)
	f.mux.HandleFunc("/nfc/", f.serveLease)
	return f
}

func (f *front) serveSDK(w http.ResponseWriter, r *http.Request) {
	switch path := strings.TrimSuffix(r.URL.Path, "/"); {
	case r.Method == http.MethodGet:
		if c := (&call{front: f, request: r}); !c.sabotage(w, "versions") {
			f.serveDocument(w, path)
		}
	case r.Method != http.MethodPost:
		w.WriteHeader(http.StatusMethodNotAllowed)
	case path != "/sdk" && path != "/sdk/vimService":
		http.NotFound(w, r)
	default:
		f.servePost(w, r)
	}
}

func (f *front) serveDocument(w http.ResponseWriter, path string) {
	w.Header().Set("Content-Type", "text/xml")
	switch {
	case path == "/sdk/vimServiceVersions.xml":
		f.profile.writeVersions(w)
	case path == "/sdk/nfcServiceVersions.xml" && f.profile.nfc != "":
		f.profile.writeNfcVersions(w)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func (f *front) servePost(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c := &call{front: f, request: r, raw: raw}
	c.space = methodSpace(raw)
	c.Method, err = simulator.UnmarshalBody(typeByName, raw)
	if err != nil {
		writeFault(w, faultOf(&types.InvalidRequest{}, "%v", err))
		return
	}
	if c.sabotage(w, c.Name) {
		return
	}
	result, no := c.answer(w)
	switch {
	case no == forward:
		c.passOn(w)
	case no != nil:
		writeFault(w, no)
	default:
		writeResult(w, c.Name, c.replySpace(), result)
	}
}

// name is the method's, or a made-up one where a document is asked for.
func (c *call) name() string {
	if c.Method == nil {
		return "Versions"
	}
	return c.Name
}

// object is what the call is about.
func (c *call) object() types.ManagedObjectReference {
	if c.Method == nil {
		return types.ManagedObjectReference{Type: "ServiceInstance", Value: "ServiceInstance"}
	}
	return c.This
}

// typeByName finds the Go type of a method or of an xsi:type, whose prefix is anybody's choice.
func typeByName(name string) (reflect.Type, bool) {
	if i := strings.IndexByte(name, ':'); i >= 0 {
		name = name[i+1:]
	}
	return types.TypeFunc()(name)
}

// replySpace is the namespace of the answer: newer servers repeat that of the request.
func (c *call) replySpace() string {
	if c.conf.Profile < 8 || c.space == "" || c.space == "urn:nfc" {
		return "urn:vim25"
	}
	return c.space
}

// answer finds the session, checks what every call must pass, and asks the handler.
func (c *call) answer(w http.ResponseWriter) (interface{}, *fault) {
	c.session = c.sessions.find(c.request, c.switches.number("expired-session-after"))
	if handler := loginHandlers[c.Name]; handler != nil {
		return handler(c, w)
	}
	if c.session == nil && !c.openToAll() {
		return nil, notAuthenticated(c.This)
	}
	if no := c.permitted(); no != nil {
		return nil, no
	}
	if no := c.blocks.check(c.This, c.Name); no != nil {
		return nil, no
	}
	if h := c.handlers[c.Name]; h != nil {
		return h(c)
	}
	return nil, forward
}

// openToAll names the calls that need no session.
func (c *call) openToAll() bool {
	switch c.Name {
	case "RetrieveServiceContent":
		return true
	case "Fetch":
		return c.This.Type == "ServiceInstance"
	}
	return false
}

// passOn lets the library answer, in the library's own session.
func (c *call) passOn(w http.ResponseWriter) {
	rec := c.ask(c.raw)
	for name, values := range rec.Header() {
		if name != "Set-Cookie" {
			w.Header()[name] = values
		}
	}
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	w.WriteHeader(rec.Code)
	w.Write(rec.Body.Bytes())
}

// ask sends an envelope to the library. A panic there is told as a fault, not as a lost connection.
func (c *call) ask(raw []byte) (rec *httptest.ResponseRecorder) {
	rec = httptest.NewRecorder()
	defer func() {
		if recover() != nil {
			rec = httptest.NewRecorder()
			writeFault(rec, systemError("%s is beyond the simulator", c.Name))
		}
	}()
	inner := httptest.NewRequest(http.MethodPost, "/sdk", bytes.NewReader(raw))
	inner.Header.Set("User-Agent", c.request.UserAgent())
	inner.RemoteAddr = c.request.RemoteAddr
	if c.session != nil {
		inner.AddCookie(&http.Cookie{Name: cookieName, Value: c.session.upstream})
	}
	c.inv.service.ServeSDK(rec, inner)
	return rec
}
