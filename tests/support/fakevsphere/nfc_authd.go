// SPDX-License-Identifier: BSD-3-Clause

package main

// authd: lines over TLS that end in a connection to NFC, which then goes on in
// clear on the same socket, or in a TLS session of its own.

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"time"
)

const authdLine = 1016 // bytes at most

// recordConn gives TLS one record at a time, so that it never takes bytes that
// follow the last one: those belong to somebody else.
type recordConn struct {
	net.Conn
	left int
	head bytes.Buffer
}

func (c *recordConn) Read(p []byte) (int, error) {
	if c.head.Len() == 0 && c.left == 0 {
		if _, err := io.CopyN(&c.head, c.Conn, 5); err != nil {
			return 0, err
		}
		b := c.head.Bytes()
		c.left = int(b[3])<<8 | int(b[4])
	}
	if c.head.Len() > 0 {
		return c.head.Read(p)
	}
	if len(p) > c.left {
		p = p[:c.left]
	}
	n, err := c.Conn.Read(p)
	c.left -= n
	return n, err
}

type authdServer struct {
	listener  net.Listener
	host, nfc *certificate
	count     int64
	open      int64
}

func newAuthd(host, nfc *certificate) (*authdServer, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return &authdServer{listener: listener, host: host, nfc: nfc}, nil
}

func (s *authdServer) port() int {
	return s.listener.Addr().(*net.TCPAddr).Port
}

func (s *authdServer) run() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		a := &authdConn{server: s, conn: conn,
			id: atomic.AddInt64(&s.count, 1)}
		atomic.AddInt64(&s.open, 1)
		go func() {
			defer atomic.AddInt64(&s.open, -1)
			defer conn.Close()
			a.log("connected", nil)
			a.serve()
			a.log("disconnected", nil)
		}()
	}
}

type authdConn struct {
	server  *authdServer
	conn    net.Conn
	tls     net.Conn // what lines go over
	id      int64
	session string // as the client says
	nonce   string // what THUMBPRINT came with
}

func (a *authdConn) log(event string, more fields) {
	line := fields{"event": event, "conn": a.id}
	for name, value := range more {
		line[name] = value
	}
	events.add("nfc", line)
}

// obey acts as the rule says; true: there is nothing left to do here.
func obey(conn net.Conn, r *rule, line func(string)) bool {
	if r == nil {
		return false
	}
	switch r.Do {
	case "refuse":
		line(r.Message)
	case "cut":
	case "reset":
		reset(conn)
	case "stall":
		io.Copy(io.Discard, conn)
	case "delay":
		time.Sleep(r.pause())
		return false
	default:
		return false
	}
	return true
}

// reset has the peer see ECONNRESET.
func reset(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	conn.Close()
}

func bannerText(kind string) string {
	const start = "220 VMware Authentication Daemon Version 1.10: "
	const middle = "ServerDaemonProtocol:SOAP, MKSDisplayProtocol:VNC , " +
		"VMXARGS supported"
	switch kind {
	case "":
		return start + "SSL Required, " + middle +
			", NFCSSL supported/t, SHA256 supported"
	case "no-sha256":
		return start + "SSL Required, " + middle + ", NFCSSL supported/t"
	case "no-nfcssl":
		return start + "SSL Required, " + middle + ", SHA256 supported"
	case "no-ssl":
		return start + middle
	case "endless":
		return strings.Repeat("220", 1<<20)
	}
	return kind
}

func (a *authdConn) serve() {
	if obey(a.conn, knobs.nfc("accept"), func(text string) {
		io.WriteString(a.conn, text+"\r\n")
	}) {
		return
	}
	banner := knobs.get().Banner
	_, err := io.WriteString(a.conn, bannerText(banner)+"\r\n")
	if err != nil {
		return
	}
	a.tls = a.conn
	if banner != "no-ssl" {
		over := tls.Server(&recordConn{Conn: a.conn}, a.server.host.config())
		if err := over.Handshake(); err != nil {
			a.log("tls-failed", nil)
			return
		}
		a.tls = over
	}
	for {
		text, ok := a.readLine()
		if !ok || !a.command(text) {
			return
		}
	}
}

func (a *authdConn) readLine() (string, bool) {
	var text []byte
	var b [1]byte
	for len(text) <= authdLine {
		if _, err := io.ReadFull(a.tls, b[:]); err != nil {
			return "", false
		}
		if b[0] == '\n' {
			if !bytes.HasSuffix(text, []byte("\r")) {
				violation("authd line without CR", nil)
			}
			return strings.TrimSuffix(string(text), "\r"), true
		}
		text = append(text, b[0])
	}
	violation("authd line too long", nil)
	return "", false
}

func (a *authdConn) say(text string) {
	io.WriteString(a.tls, text+"\r\n")
}

// command does what a line says; false: the conversation is over.
func (a *authdConn) command(text string) bool {
	word, rest, _ := strings.Cut(text, " ")
	name := map[string]string{"SESSION": "session", "BANNER": "banner",
		"THUMBPRINT": "thumbprint", "THUMBPRINT_SHA2": "thumbprint",
		"PROXY": "proxy"}[word]
	if name == "" {
		violation("authd command unknown", fields{"word": word})
		a.say("501 Invalid arguments")
		return false
	}
	a.log("authd", fields{"command": word})
	if obey(a.conn, knobs.nfc(name), a.say) {
		return false
	}
	switch word {
	case "SESSION":
		a.session = rest
	case "BANNER":
		if text != "BANNER " {
			violation("BANNER without its blank", nil)
		}
		a.say(bannerText(knobs.get().Banner))
	case "PROXY":
		return a.proxy(rest)
	default:
		a.thumbprint(word, rest)
	}
	return true
}

func (a *authdConn) thumbprint(word, nonce string) {
	sha2 := word == "THUMBPRINT_SHA2"
	if !tickets.known(a.session) || sha2 && knobs.get().AuthdRefusesSha2 {
		a.say("530 Please login with USER and PASS")
		return
	}
	if nonce == "" || strings.ContainsAny(nonce, " :") {
		a.say("501 Invalid arguments")
		return
	}
	a.nonce = nonce
	digest := a.server.nfc.sha1
	if sha2 {
		digest = a.server.nfc.sha256
	}
	a.say("200 " + disguise(knobs.get().NfcDigest, digest))
}

// disguise gives what a knob wants to be said instead of the truth.
func disguise(knob, truth string) string {
	switch knob {
	case "":
		return truth
	case "-":
		return ""
	case "wrong":
		return "00" + truth[2:len(truth)-2] + "11"
	}
	return knob
}

// proxy takes the ticket and hands the socket to NFC.  Always false.
func (a *authdConn) proxy(service string) bool {
	t := tickets.take(a.session)
	if t == nil {
		a.log("refused", fields{"reason": "session"})
		a.say("530 Login incorrect")
		return false
	}
	name, over := t.service, false
	if service == name+"ssl" && knobs.get().Banner != "no-nfcssl" {
		over = true
	} else if service != name {
		a.log("refused", fields{"reason": "service", "service": service})
		a.say("501 Invalid arguments")
		return false
	}
	if over {
		a.say("200 Connect ha-nfcssl")
	} else {
		a.say("200 Connect ha-nfc")
	}
	a.log("proxy", fields{"service": service, "vm": t.vm, "mode": t.mode()})
	conn := a.conn
	if over {
		if conn = a.secondTLS(); conn == nil {
			return false
		}
	}
	newNfc(a, conn, t).serve()
	return false
}

func (a *authdConn) secondTLS() net.Conn {
	if obey(a.conn, knobs.nfc("tls"), func(string) {}) {
		return nil
	}
	over := tls.Server(a.conn, a.server.nfc.config())
	if err := over.Handshake(); err != nil {
		a.log("tls-failed", fields{"inner": true})
		return nil
	}
	return over
}
