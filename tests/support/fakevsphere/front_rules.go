// SPDX-License-Identifier: BSD-3-Clause

package main

// Answers over HTTP that no honest server gives.

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"
)

// misbehave acts as the rule says; false: the request is still to be served.
func misbehave(w http.ResponseWriter, r *http.Request, rule *rule,
	serve func() *httptest.ResponseRecorder) bool {
	if rule.Bytes > 0 {
		io.CopyN(io.Discard, r.Body, rule.Bytes)
	}
	switch rule.Do {
	case "delay":
		time.Sleep(rule.pause())
		return false
	case "status":
		w.WriteHeader(rule.Status)
		io.WriteString(w, rule.Message)
	case "close":
		hangUp(w)
	case "stall":
		<-r.Context().Done()
	case "cut":
		cut(w, serve())
	case "endless":
		endless(w, r)
	case "slow":
		slow(w, r, serve())
	default:
		text, ok := garbage(rule)
		if !ok {
			return false
		}
		w.Header().Set("Content-Type", "text/xml; charset=utf-8")
		io.WriteString(w, text)
	}
	return true
}

func hangUp(w http.ResponseWriter) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		conn.Close()
	}
}

// cut announces the whole body and sends half of it.
func cut(w http.ResponseWriter, reply *httptest.ResponseRecorder) {
	body := reply.Body.Bytes()
	for name, values := range reply.Header() {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Length", fmt.Sprint(len(body)))
	w.WriteHeader(reply.Code)
	w.Write(body[:len(body)/2])
	w.(http.Flusher).Flush()
	hangUp(w)
}

func endless(w http.ResponseWriter, r *http.Request) {
	piece := strings.Repeat("<a>and so on</a>", 4096)
	io.WriteString(w, envelopeStart)
	for r.Context().Err() == nil {
		if _, err := io.WriteString(w, piece); err != nil {
			return
		}
	}
}

// slow sends the real body byte by byte.
func slow(w http.ResponseWriter, r *http.Request,
	reply *httptest.ResponseRecorder) {
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	w.WriteHeader(reply.Code)
	for _, b := range reply.Body.Bytes() {
		w.Write([]byte{b})
		w.(http.Flusher).Flush()
		select {
		case <-r.Context().Done():
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func garbage(rule *rule) (string, bool) {
	switch rule.Do {
	case "body":
		return envelopeStart + rule.Message + envelopeEnd, true
	case "bomb":
		var b strings.Builder
		b.WriteString("<?xml version=\"1.0\"?>\n<!DOCTYPE a [\n" +
			"<!ENTITY e0 \"ha\">\n")
		for i := 1; i < 30; i++ {
			fmt.Fprintf(&b, "<!ENTITY e%d \"&e%d;&e%d;&e%d;&e%d;\">\n",
				i, i-1, i-1, i-1, i-1)
		}
		return b.String() + "]>\n<a>&e29;</a>", true
	case "deep":
		return envelopeStart + strings.Repeat("<a>", 200000) +
			strings.Repeat("</a>", 200000) + envelopeEnd, true
	case "wide":
		return envelopeStart + "<a>" + strings.Repeat("<a/>", 1000000) +
			"</a>" + envelopeEnd, true
	case "truncated":
		return envelopeStart + "<RetrieveServiceContentResponse><retur", true
	case "not-xml":
		return "\x00\xff<html>&nbsp;</p>", true
	case "empty":
		return "", true
	}
	return "", false
}
