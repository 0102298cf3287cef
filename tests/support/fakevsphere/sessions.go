// SPDX-License-Identifier: BSD-3-Clause

package main

// Sessions by their cookie: names for the log, counting, expiry.  A session that
// is over loses its cookie before the simulator sees the request.

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
)

const sessionCookie = "vmware_soap_session"

type session struct {
	label  string
	calls  int // SOAP
	folder int // requests of /folder
	dead   bool
}

type sessionBook struct {
	mu  sync.Mutex
	all map[string]*session
}

var sessions = &sessionBook{all: map[string]*session{}}

func (b *sessionBook) add(cookie string) *session {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := &session{label: fmt.Sprintf("s%d", len(b.all)+1)}
	b.all[cookie] = s
	return s
}

// of gives the session of a request, dead or alive; nil without one.
func (b *sessionBook) of(r *http.Request) *session {
	cookie, err := r.Cookie(sessionCookie)
	if err != nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.all[cookie.Value]
	// Clients are to send the value as they got it.
	if s != nil && !strings.Contains(r.Header.Get("Cookie"),
		`"`+cookie.Value+`"`) {
		violation("cookie without its quotes", fields{"session": s.label})
	}
	return s
}

// alive counts a call; false: the session is over.
func (b *sessionBook) alive(s *session, folder bool) bool {
	k := knobs.get()
	b.mu.Lock()
	defer b.mu.Unlock()
	if s == nil || s.dead {
		return false
	}
	count, most := &s.calls, k.SessionCalls
	if folder {
		count, most = &s.folder, k.FolderCalls
	}
	*count++
	s.dead = most > 0 && *count > most
	return !s.dead
}

func (b *sessionBook) end(s *session) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s != nil {
		s.dead = true
	}
}

func (b *sessionBook) expireAll() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.all {
		s.dead = true
	}
}

func (b *sessionBook) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for _, s := range b.all {
		if !s.dead {
			n++
		}
	}
	return n
}

func (s *session) name() string {
	if s == nil {
		return ""
	}
	return s.label
}

// setCookie hands a session out as real servers do, with quotes.
func setCookie(h http.Header, value string) {
	h.Set("Set-Cookie", fmt.Sprintf("%s=\"%s\"; Path=/; HttpOnly; Secure",
		sessionCookie, value))
}
