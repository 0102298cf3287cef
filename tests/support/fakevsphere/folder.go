// SPDX-License-Identifier: BSD-3-Clause

package main

// /folder: the datastore's files over HTTP.

import (
	"crypto/subtle"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/google/uuid"
)

const ticketCookie = "vmware_cgi_ticket"

// urlTicket is good for one URL and method, on the host itself.
type urlTicket struct{ method, url string }

type urlTicketBook struct {
	mu  sync.Mutex
	all map[string]urlTicket
}

var urlTickets = &urlTicketBook{all: map[string]urlTicket{}}

func (b *urlTicketBook) issue(method, link string) (string, error) {
	u, err := url.Parse(link)
	if err != nil {
		return "", err
	}
	id := uuid.New().String()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.all[id] = urlTicket{strings.TrimPrefix(strings.ToLower(method), "http"),
		u.RequestURI()}
	return id, nil
}

func (b *urlTicketBook) allows(r *http.Request) bool {
	cookie, err := r.Cookie(ticketCookie)
	if err != nil {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	t, ok := b.all[cookie.Value]
	return ok && t.method == strings.ToLower(r.Method) &&
		t.url == r.URL.RequestURI()
}

func sameText(a, b string) bool {
	return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1
}

// authenticate says how a request may be here; "" = it may not.
func (f *front) authenticate(w http.ResponseWriter, r *http.Request) string {
	if urlTickets.allows(r) {
		return "ticket"
	}
	if sessions.alive(sessions.of(r), true) {
		return "cookie"
	}
	user, password, ok := r.BasicAuth()
	if ok && sameText(user, f.user) && sameText(password, f.password) {
		cookie := uuid.New().String()
		sessions.add(cookie)
		setCookie(w.Header(), cookie)
		return "basic"
	}
	return ""
}

// statusWriter remembers the status for the log.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (f *front) folder(out http.ResponseWriter, r *http.Request) {
	w := &statusWriter{out, http.StatusOK}
	how := f.authenticate(w, r)
	if how == "" {
		w.Header().Set("WWW-Authenticate", `Basic realm="VMware HTTP server"`)
		http.Error(w, "unauthorized", http.StatusUnauthorized)
	} else {
		serveFile(w, r, how == "ticket")
	}
	events.add("http", fields{"method": r.Method, "path": r.URL.Path,
		"status": w.status, "auth": how, "range": r.Header.Get("Range")})
}

// nameInQuery: vCenter wants its names encoded twice, if they need it at all.
func nameInQuery(r *http.Request, key string) string {
	name := r.URL.Query().Get(key)
	if world.esx {
		return name
	}
	if twice, err := url.PathUnescape(name); err == nil {
		return twice
	}
	return name
}

func serveFile(w http.ResponseWriter, r *http.Request, onHost bool) {
	name := strings.TrimPrefix(r.URL.Path, "/folder/")
	path := filepath.Join(world.dir, filepath.FromSlash("/"+name))
	dc := nameInQuery(r, "dcPath")
	if nameInQuery(r, "dsName") != world.datastore ||
		dc != world.datacenter && !(onHost || world.esx) {
		http.NotFound(w, r)
		return
	}
	if !onHost && world.lockedFile(path) {
		http.Error(w, "the file is in use", http.StatusInternalServerError)
		return
	}
	switch {
	case r.Header.Get("Content-Range") != "":
		http.Error(w, "no part of a file", http.StatusNotImplemented)
	case r.Method == http.MethodPut:
		putFile(w, r, path)
	case r.Method == http.MethodDelete:
		if os.Remove(path) != nil {
			http.NotFound(w, r)
		}
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		getFile(w, r, path)
	default:
		http.Error(w, "no such method", http.StatusMethodNotAllowed)
	}
}

func getFile(w http.ResponseWriter, r *http.Request, path string) {
	file, err := os.Open(path)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(w, r, "", info.ModTime(), file)
}

// putFile replaces a file once all of it is there.
func putFile(w http.ResponseWriter, r *http.Request, path string) {
	part, err := os.CreateTemp(filepath.Dir(path), "upload-")
	if err != nil {
		http.NotFound(w, r)
		return
	}
	defer os.Remove(part.Name())
	n, err := io.Copy(part, r.Body)
	if r.ContentLength >= 0 && n != r.ContentLength && err == nil {
		err = errors.New("a part is missing")
	}
	if err == nil {
		err = part.Close()
	}
	if err == nil {
		err = os.Rename(part.Name(), path)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.WriteHeader(http.StatusCreated)
}
