// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"
	"net/http"
	"strings"
)

// sabotage spoils the answer to a method where a fault says so; true: it has answered.
func (f *front) sabotage(w http.ResponseWriter, method string) bool {
	switch {
	case f.switches.once("http-503-once", method):
		w.WriteHeader(http.StatusServiceUnavailable)
		io.WriteString(w, "503 Service Unavailable")
	case f.switches.hits("entity-bomb", method):
		entityBomb(w, method)
	case f.switches.hits("endless-xml", method):
		endlessXML(w, method)
	default:
		return false
	}
	return true
}

// entityBomb answers with a document that grows to gigabytes where entities are expanded.
func entityBomb(w http.ResponseWriter, method string) {
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	var b strings.Builder
	b.WriteString(`<?xml version="1.0"?><!DOCTYPE bomb [<!ENTITY a0 "` + strings.Repeat("ha", 64) + `">`)
	names := "abcdefghij"
	for i := 1; i < len(names); i++ {
		reference := "&" + names[i-1:i] + "0;"
		b.WriteString(`<!ENTITY ` + names[i:i+1] + `0 "` + strings.Repeat(reference, 10) + `">`)
	}
	b.WriteString(`]><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body><` +
		method + `Response xmlns="urn:vim25"><returnval>&j0;</returnval></` + method + `Response>` + envelopeTail)
	io.WriteString(w, b.String())
}

// endlessXML answers with elements until the client goes away.
func endlessXML(w http.ResponseWriter, method string) {
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	io.WriteString(w, envelopeHead+`<`+method+`Response xmlns="urn:vim25">`)
	chunk := strings.Repeat(`<returnval><more>and more</more></returnval>`, 1024)
	for {
		if _, err := io.WriteString(w, chunk); err != nil {
			return
		}
	}
}
