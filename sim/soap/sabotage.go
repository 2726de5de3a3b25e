// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// stallMost bounds how long a call is left without an answer where the client does not go away.
const stallMost = 10 * time.Minute

// sabotages are the ways to spoil the answer to a call, by the fault's name; with "-once" behind it the
// fault strikes one call.
var sabotages = []struct {
	name  string
	spoil func(c *call, w http.ResponseWriter)
}{
	{"http-drop", func(c *call, w http.ResponseWriter) { hangUp(w) }},
	{"http-cut", cutAnswer},
	{"http-500", func(c *call, w http.ResponseWriter) { page(w, http.StatusInternalServerError) }},
	{"http-503", func(c *call, w http.ResponseWriter) { page(w, http.StatusServiceUnavailable) }},
	{"http-stall", stall},
	{"truncated-xml", truncatedXML},
	{"wrong-answer", wrongAnswer},
	{"empty-answer", func(c *call, w http.ResponseWriter) { textXML(w) }},
	{"no-session", noSession},
	{"entity-bomb", entityBomb},
	{"endless-xml", endlessXML},
}

// sabotage spoils the answer to a call where a fault says so; true: it has answered. The list of
// versions counts as a call named "versions".
func (c *call) sabotage(w http.ResponseWriter, method string) bool {
	for _, s := range sabotages {
		if c.switches.hits(s.name, method) || c.switches.hits(s.name+"-once", method) {
			s.spoil(c, w)
			return true
		}
	}
	return false
}

func textXML(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
}

func page(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "text/html")
	w.WriteHeader(status)
	io.WriteString(w, "<html><body>"+strconv.Itoa(status)+" "+http.StatusText(status)+"</body></html>")
}

// hangUp ends the connection.
func hangUp(w http.ResponseWriter) {
	if h, ok := w.(http.Hijacker); ok {
		if conn, _, err := h.Hijack(); err == nil {
			conn.Close()
		}
	}
}

func (c *call) begun() string {
	return envelopeHead + "<" + c.name() + `Response xmlns="urn:vim25"><returnval>`
}

// cutAnswer ends the connection in the middle of an answer.
func cutAnswer(c *call, w http.ResponseWriter) {
	textXML(w)
	w.Header().Set("Content-Length", "100000")
	io.WriteString(w, c.begun())
	if f, ok := w.(http.Flusher); ok {
		f.Flush()
	}
	hangUp(w)
}

// stall answers nothing until the client goes away.
func stall(c *call, w http.ResponseWriter) {
	select {
	case <-c.request.Context().Done():
	case <-time.After(stallMost):
	}
	hangUp(w)
}

// truncatedXML answers with a document that ends too early, in an answer that does not.
func truncatedXML(c *call, w http.ResponseWriter) {
	textXML(w)
	io.WriteString(w, c.begun())
}

// wrongAnswer answers another question.
func wrongAnswer(c *call, w http.ResponseWriter) {
	writeResult(w, "SomethingElse", "urn:vim25", nil)
}

// noSession says that nobody is logged in, and makes it so.
func noSession(c *call, w http.ResponseWriter) {
	cookie := cookieOf(c.request)
	c.sessions.drop(func(s *session) bool { return s.cookie == cookie })
	writeFault(w, notAuthenticated(c.object()))
}

// entityBomb answers with a document that grows to gigabytes where entities are expanded.
func entityBomb(c *call, w http.ResponseWriter) {
	textXML(w)
	var b strings.Builder
	b.WriteString(`<?xml version="1.0"?><!DOCTYPE bomb [<!ENTITY a0 "` + strings.Repeat("ha", 64) + `">`)
	names := "abcdefghij"
	for i := 1; i < len(names); i++ {
		reference := "&" + names[i-1:i] + "0;"
		b.WriteString(`<!ENTITY ` + names[i:i+1] + `0 "` + strings.Repeat(reference, 10) + `">`)
	}
	b.WriteString(`]><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body><` +
		c.name() + `Response xmlns="urn:vim25"><returnval>&j0;</returnval></` + c.name() + `Response>` + envelopeTail)
	io.WriteString(w, b.String())
}

// endlessXML answers with elements until the client goes away.
func endlessXML(c *call, w http.ResponseWriter) {
	textXML(w)
	io.WriteString(w, envelopeHead+`<`+c.name()+`Response xmlns="urn:vim25">`)
	chunk := strings.Repeat(`<returnval><more>and more</more></returnval>`, 1024)
	for {
		if _, err := io.WriteString(w, chunk); err != nil {
			return
		}
	}
}
