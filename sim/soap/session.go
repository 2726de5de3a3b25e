// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"

	"github.com/vmware/govmomi/vim25/types"
)

const (
	cookieName  = "vmware_soap_session"
	sessionIdle = 30 * time.Minute
)

// session is a login: the cookie a client holds, and the library's session behind it.
type session struct {
	cookie   string
	upstream string // the library's cookie, which is also UserSession.key
	calls    int
	last     time.Time
}

type sessions struct {
	mu sync.Mutex
	by map[string]*session // by cookie
}

func newSessions() *sessions {
	return &sessions{by: make(map[string]*session)}
}

func randomHex(bytes int) string {
	b := make([]byte, bytes)
	if _, err := rand.Read(b); err != nil {
		panic(err)
	}
	return hex.EncodeToString(b)
}

func (s *sessions) add(upstream string) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := &session{cookie: randomHex(20), upstream: upstream, last: time.Now()}
	s.by[n.cookie] = n
	return n
}

// find gives the session of a request and counts the call. With a limit, a session dies after that
// many.
func (s *sessions) find(r *http.Request, limit int) *session {
	return s.use(cookieOf(r), limit)
}

func (s *sessions) use(cookie string, limit int) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.by[cookie]
	if n == nil {
		return nil
	}
	n.calls++
	if time.Since(n.last) > sessionIdle || (limit > 0 && n.calls > limit) {
		delete(s.by, cookie)
		return nil
	}
	n.last = time.Now()
	return n
}

// cookieOf accepts the value with and without the quotes it was sent with.
func cookieOf(r *http.Request) string {
	for _, line := range r.Header.Values("Cookie") {
		for _, part := range strings.Split(line, ";") {
			name, value, ok := strings.Cut(strings.TrimSpace(part), "=")
			if ok && name == cookieName {
				return strings.Trim(value, `"`)
			}
		}
	}
	return ""
}

func (s *sessions) drop(match func(*session) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for cookie, n := range s.by {
		if match(n) {
			delete(s.by, cookie)
		}
	}
}

// setCookie writes the header the way real servers do, quotes included.
func setCookie(w http.ResponseWriter, value string) {
	w.Header().Set("Set-Cookie", cookieName+`="`+value+`"; Path=/; HttpOnly; Secure; `)
}

func notAuthenticated(ref types.ManagedObjectReference) *fault {
	detail := &types.NotAuthenticated{NoPermission: types.NoPermission{Object: ref, PrivilegeId: "System.View"}}
	return faultOf(detail, "The session is not authenticated.")
}

func invalidLogin() *fault {
	return faultOf(&types.InvalidLogin{}, "Cannot complete login due to an incorrect user name or password.")
}

// loginHandlers answer the calls that make a session; they set the cookie.
var loginHandlers = map[string]func(c *call, w http.ResponseWriter) (interface{}, *fault){
	"Login":                       login,
	"CloneSession":                func(c *call, w http.ResponseWriter) (interface{}, *fault) { return c.enter(w) },
	"LoginByToken":                refuseLogin,
	"LoginExtensionByCertificate": refuseLogin,
	"LoginBySSPI":                 refuseLogin,
}

// refuseLogin stands for the ways in that have no counterpart here.
func refuseLogin(c *call, w http.ResponseWriter) (interface{}, *fault) {
	setCookie(w, randomHex(20))
	return nil, invalidLogin()
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// knows checks a user name and password.
func (c *config) knows(user, password string) bool {
	return same(user, c.User) && same(password, c.Password)
}

func login(c *call, w http.ResponseWriter) (interface{}, *fault) {
	req := c.Body.(*types.Login)
	if c.session != nil || !c.conf.knows(req.UserName, req.Password) {
		return refuseLogin(c, w)
	}
	return c.enter(w)
}

// enter has the library make its session and hands out a cookie for it.
func (c *call) enter(w http.ResponseWriter) (interface{}, *fault) {
	if c.session != nil {
		return refuseLogin(c, w)
	}
	rec := c.ask(c.raw)
	upstream := upstreamCookie(rec)
	if rec.Code != http.StatusOK || upstream == "" {
		return refuseLogin(c, w)
	}
	setCookie(w, c.sessions.add(upstream).cookie)
	method, err := unmarshalReply(c.Name, rec.Body.Bytes())
	if err != nil {
		return nil, systemError("%v", err)
	}
	return method, nil
}

func upstreamCookie(rec *httptest.ResponseRecorder) string {
	for _, cookie := range rec.Result().Cookies() {
		if cookie.Name == cookieName {
			return cookie.Value
		}
	}
	return ""
}

var sessionHandlers = map[string]handler{
	"Logout":           logout,
	"TerminateSession": terminate,
}

func logout(c *call) (interface{}, *fault) {
	c.sessions.drop(func(s *session) bool { return s == c.session })
	return nil, forward
}

func terminate(c *call) (interface{}, *fault) {
	for _, key := range c.Body.(*types.TerminateSession).SessionId {
		if key != c.session.upstream {
			c.sessions.drop(func(s *session) bool { return s.upstream == key })
		}
	}
	return nil, forward
}
