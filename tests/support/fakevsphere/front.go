// SPDX-License-Identifier: BSD-3-Clause

package main

// The handler in front of the simulator: rules, sessions, the operations that
// are ours, and what has to follow those that are not.

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"

	"github.com/vmware/govmomi/vim25/types"
)

const maxRequestBody = 16 << 20

type front struct {
	behind         http.Handler
	user, password string
	cert           *certificate
	port           int
}

// operation answers a call: with results, or with an error.
type operation func(*front, *soapCall) ([]interface{}, error)

// hook is called around an operation of the simulator; what it returns is called
// when that has been done, with the answer's returnval if it is an object.
type hook func(*soapCall) func(result moRef)

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case strings.HasPrefix(r.URL.Path, "/folder"):
		f.ruled(w, r, "/folder", f.folder)
	case strings.HasPrefix(r.URL.Path, exportPath):
		f.ruled(w, r, "/exp", serveLease)
	case r.URL.Path == "/sdk/nfcServiceVersions.xml":
		writeXML(w, http.StatusOK, []byte(`<?xml version="1.0"?>`+
			`<namespaces version="1.0"><namespace><name>urn:nfc</name>`+
			`<version>7.0.3.2</version></namespace></namespaces>`))
	case r.URL.Path == "/sdk/vimService" || r.URL.Path == "/sdk" ||
		r.URL.Path == "/sdk/":
		r.URL.Path = "/sdk"
		f.sdk(w, r)
	default:
		f.behind.ServeHTTP(w, r)
	}
}

// ruled serves a file, unless a rule has other plans.
func (f *front) ruled(w http.ResponseWriter, r *http.Request, path string,
	serve http.HandlerFunc) {
	rule := knobs.soap(r.Method+" "+path, path)
	if rule == nil {
		serve(w, r)
		return
	}
	if rule.Do == "expire" {
		sessions.end(sessions.of(r))
		leases.expire(r)
	}
	if !misbehave(w, r, rule, func() *httptest.ResponseRecorder {
		return record(serve, r)
	}) {
		serve(w, r)
	}
}

func record(serve http.HandlerFunc, r *http.Request) *httptest.ResponseRecorder {
	recorder := httptest.NewRecorder()
	serve(recorder, r)
	return recorder
}

func (f *front) sdk(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxRequestBody))
	if err != nil {
		return
	}
	call := parseCall(body)
	call.session = sessions.of(r)
	call.version = strings.Trim(r.Header.Get("SOAPAction"), `"`)
	rule := knobs.soap(call.op)
	if rule != nil && rule.Do == "expire" {
		sessions.end(call.session)
	}
	if call.session != nil && !sessions.alive(call.session, false) {
		r.Header.Del("Cookie")
	}
	answer := func() *httptest.ResponseRecorder {
		return f.answer(r, call, body, rule)
	}
	if rule != nil && misbehave(w, r, rule, answer) {
		call.log("rule: " + rule.Do)
		return
	}
	reply := answer()
	for name, values := range reply.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(reply.Code)
	w.Write(reply.Body.Bytes())
}

// answer does the call.  The log has it before the client does.
func (f *front) answer(r *http.Request, call *soapCall, body []byte,
	rule *rule) *httptest.ResponseRecorder {
	reply := httptest.NewRecorder()
	alive := r.Header.Get("Cookie") != "" && call.session != nil
	own, ours := operations[call.op]
	switch {
	case rule != nil && rule.Do == "fault":
		writeXML(reply, http.StatusInternalServerError, faultBody(
			&soapFault{faultNamed(rule.Fault), rule.Message}))
	case rule != nil && rule.Do == "task-fault":
		task := startTask(call.this, call.op, func() (interface{}, error) {
			return nil, &soapFault{faultNamed(rule.Fault), rule.Message}
		})
		writeXML(reply, http.StatusOK, answerBody(call.op, task))
	case call.op != "" && !alive && !beforeLogin[call.op]:
		writeXML(reply, http.StatusInternalServerError, faultBody(&soapFault{
			&types.NotAuthenticated{NoPermission: types.NoPermission{
				Object: call.this, PrivilegeId: "System.View"}},
			"The session is not authenticated."}))
	case ours && call.body != nil:
		results, err := own(f, call)
		if err != nil {
			writeXML(reply, http.StatusInternalServerError,
				faultBody(asFault(err)))
			break
		}
		writeXML(reply, http.StatusOK, answerBody(call.op, results...))
	default:
		f.passOn(reply, r, call, body)
	}
	if rule != nil && rule.Do == "task-slow" {
		if ref := resultOf(reply); ref.Type == "Task" {
			prolong(ref, rule.pause())
		}
	}
	call.log(outcome(reply))
	return reply
}

// beforeLogin: all else needs a session.  The simulator is more lenient.
var beforeLogin = map[string]bool{"RetrieveServiceContent": true, "Login": true,
	"LoginByToken": true, "LoginExtensionByCertificate": true,
	"CloneSession": true}

// hookLock: one change with consequences at a time.
var hookLock sync.Mutex

func (f *front) passOn(reply *httptest.ResponseRecorder, r *http.Request,
	call *soapCall, body []byte) {
	var after func(moRef)
	if before := hooks[call.op]; before != nil && call.body != nil {
		hookLock.Lock()
		defer hookLock.Unlock()
		after = before(call)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	r.ContentLength = int64(len(body))
	f.behind.ServeHTTP(reply, r)
	if reply.Code == http.StatusOK {
		if after != nil {
			after(resultOf(reply))
		}
		f.rememberSession(reply, call)
	}
}

var cookieValue = regexp.MustCompile(sessionCookie + `="?([^";]+)`)

func (f *front) rememberSession(reply *httptest.ResponseRecorder,
	call *soapCall) {
	if call.op == "Logout" {
		sessions.end(call.session)
	}
	value := cookieValue.FindStringSubmatch(reply.Header().Get("Set-Cookie"))
	if value != nil {
		setCookie(reply.Header(), value[1])
		call.session = sessions.add(value[1])
	}
}

var returnval = regexp.MustCompile(
	`<returnval type="([^"]+)"[^>]*>([^<]+)</returnval>`)

// resultOf finds the object that an answer returns.
func resultOf(reply *httptest.ResponseRecorder) moRef {
	found := returnval.FindSubmatch(reply.Body.Bytes())
	if found == nil {
		return moRef{}
	}
	return moRef{Type: string(found[1]), Value: string(found[2])}
}

var faultType = regexp.MustCompile(`<detail>\s*<(\w+)Fault\b`)

func outcome(reply *httptest.ResponseRecorder) string {
	if reply.Code == http.StatusOK {
		return "ok"
	}
	if found := faultType.FindSubmatch(reply.Body.Bytes()); found != nil {
		return string(found[1])
	}
	return http.StatusText(reply.Code)
}

func (c *soapCall) log(result string) {
	line := fields{"op": c.op, "this": c.this.Value,
		"session": c.session.name(), "version": c.version, "result": result}
	for name, value := range c.note {
		line[name] = value
	}
	events.add("soap", line)
}
