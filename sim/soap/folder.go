// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// serveFolder is datastore access over HTTP: GET with ranges, HEAD, PUT, POST, DELETE, listings.
func (f *front) serveFolder(w http.ResponseWriter, r *http.Request) {
	if !f.mayEnter(r) {
		w.Header().Set("WWW-Authenticate", `Basic realm="VMware HTTP server"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	reading := r.Method == http.MethodGet || r.Method == http.MethodHead
	if privilege := map[bool]string{true: "Datastore.Browse", false: "Datastore.FileManagement"}[reading]; f.lacks(privilege) {
		http.Error(w, "Permission to perform this operation was denied: "+privilege, http.StatusForbidden)
		return
	}
	rel := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/folder"), "/")
	store, status := f.folderStore(r.URL.Query())
	if status != http.StatusOK {
		w.WriteHeader(status)
		return
	}
	if store == nil {
		f.listStores(w)
		return
	}
	file, err := store.inside(rel)
	if err != nil {
		http.Error(w, "not found", http.StatusNotFound)
		return
	}
	f.folderMethod(w, r, store, rel, file)
}

// mayEnter takes a session cookie, a service ticket, or user and password.
func (f *front) mayEnter(r *http.Request) bool {
	if f.sessions.find(r, f.switches.number("expired-session-after")) != nil || f.passes.use(r) {
		return true
	}
	user, password, ok := r.BasicAuth()
	return ok && f.conf.knows(user, password)
}

// folderStore finds the datastore of a URL; nil stands for the list of them.
func (f *front) folderStore(query url.Values) (*datastore, int) {
	dc := query.Get("dcPath")
	if dc != "" && strings.Trim(dc, "/") != f.inv.datacenter.Name {
		return nil, http.StatusNotFound
	}
	name := query.Get("dsName")
	if name == "" {
		return nil, http.StatusOK
	}
	store := f.inv.datastoreByName(name)
	if store == nil {
		return nil, http.StatusNotFound
	}
	return store, http.StatusOK
}

func (f *front) folderMethod(w http.ResponseWriter, r *http.Request, store *datastore, rel, file string) {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		f.getFile(w, r, file)
	case http.MethodPut, http.MethodPost:
		f.putFile(w, r, store, rel, file)
	case http.MethodDelete:
		f.deleteFile(w, store, rel, file)
	default:
		w.WriteHeader(http.StatusMethodNotAllowed)
	}
}

func (f *front) getFile(w http.ResponseWriter, r *http.Request, file string) {
	in, err := os.Open(file)
	if err != nil {
		http.Error(w, "not found", http.StatusNotFound)
		return
	}
	defer in.Close()
	info, err := in.Stat()
	switch {
	case err == nil && info.IsDir():
		listFolder(w, in, r.URL)
	case err == nil && info.Mode().IsRegular():
		w.Header().Set("Content-Type", "application/octet-stream")
		f.cutting("cut-files", w, func(w http.ResponseWriter) {
			http.ServeContent(w, r, "", info.ModTime(), in)
		}, func() {})
	default:
		http.Error(w, "not found", http.StatusNotFound)
	}
}

// inUse says whether a running VM holds the file, or a VM's disk lies in it.
func (f *front) inUse(store *datastore, rel string) bool {
	name := "[" + store.name + "] " + strings.Trim(rel, "/")
	for _, m := range f.inv.all() {
		m.mu.Lock()
		disks := m.disks
		m.mu.Unlock()
		for _, d := range disks {
			for _, link := range d.Chain {
				if link == name || contains(extentNames(link), name) {
					return true
				}
			}
		}
	}
	return false
}

func contains(list []string, item string) bool {
	for _, have := range list {
		if have == item {
			return true
		}
	}
	return false
}

// putFile replaces a whole file, by way of a temporary one: no reader sees half of it.
func (f *front) putFile(w http.ResponseWriter, r *http.Request, store *datastore, rel, file string) {
	info, err := os.Stat(file)
	exists := err == nil
	switch {
	case file == store.dir || (exists && info.IsDir()):
		http.Error(w, "is a folder", http.StatusMethodNotAllowed)
		return
	case r.Method == http.MethodPost && exists:
		w.WriteHeader(http.StatusConflict)
		return
	case exists && f.inUse(store, rel):
		http.Error(w, "Failed to lock the file", http.StatusInternalServerError)
		return
	}
	if err := receive(r.Body, file); err != nil {
		http.Error(w, "the file cannot be written", http.StatusInternalServerError)
		return
	}
	if exists {
		w.WriteHeader(http.StatusOK)
	} else {
		w.WriteHeader(http.StatusCreated)
	}
}

func receive(body io.Reader, file string) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	out, err := os.CreateTemp(filepath.Dir(file), ".upload-*")
	if err != nil {
		return err
	}
	_, err = io.Copy(out, body)
	if closed := out.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(out.Name(), file)
	}
	if err != nil {
		os.Remove(out.Name())
	}
	return err
}

func (f *front) deleteFile(w http.ResponseWriter, store *datastore, rel, file string) {
	if file == store.dir {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	if f.inUse(store, rel) {
		http.Error(w, "Failed to lock the file", http.StatusInternalServerError)
		return
	}
	err := os.Remove(file)
	switch {
	case err == nil:
		w.WriteHeader(http.StatusNoContent)
	case errors.Is(err, os.ErrNotExist):
		http.Error(w, "not found", http.StatusNotFound)
	default:
		http.Error(w, "the file cannot be deleted", http.StatusInternalServerError)
	}
}

func listFolder(w http.ResponseWriter, dir *os.File, at *url.URL) {
	entries, err := dir.ReadDir(-1)
	if err != nil {
		http.Error(w, "the folder cannot be read", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	io.WriteString(w, "<!DOCTYPE html><html><head><title>Index</title></head><body><table>\n")
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			continue
		}
		name, size := e.Name(), fmt.Sprint(info.Size())
		if e.IsDir() {
			name, size = name+"/", "-"
		}
		to := url.URL{Path: strings.TrimSuffix(at.Path, "/") + "/" + name, RawQuery: at.RawQuery}
		fmt.Fprintf(w, "<tr><td><a href=\"%s\">%s</a></td><td>%s</td><td align=\"right\">%s</td></tr>\n",
			html.EscapeString(to.String()), html.EscapeString(name), info.ModTime().UTC().Format("02-Jan-2006 15:04"), size)
	}
	io.WriteString(w, "</table></body></html>\n")
}

func (f *front) listStores(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	io.WriteString(w, "<!DOCTYPE html><html><head><title>Index</title></head><body><table>\n")
	for _, d := range f.inv.datastores {
		query := url.Values{"dcPath": {f.inv.datacenter.Name}, "dsName": {d.name}}
		fmt.Fprintf(w, "<tr><td><a href=\"/folder?%s\">%s</a></td></tr>\n",
			html.EscapeString(query.Encode()), html.EscapeString(d.name))
	}
	io.WriteString(w, "</table></body></html>\n")
}
