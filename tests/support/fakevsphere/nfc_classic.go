// SPDX-License-Identifier: BSD-3-Clause

package main

// An NFC session's beginning: classic messages, in the order that clients of
// today send them, up to the change to AIO frames.

import (
	"bytes"
	"fmt"
	"io"
	"net"
)

const nfcVersion = 11

type nfcConn struct {
	*authdConn
	conn   net.Conn // in clear or the inner TLS
	ticket *ticket
	out    *outbox

	buffer  uint32 // bufSize; 0: no session yet
	files   map[uint64]*nfcFile
	writing map[uint32]*nfcWrite
}

func newNfc(a *authdConn, conn net.Conn, t *ticket) *nfcConn {
	return &nfcConn{authdConn: a, conn: conn, ticket: t,
		out:   newOutbox(conn),
		files: map[uint64]*nfcFile{}, writing: map[uint32]*nfcWrite{}}
}

func (n *nfcConn) serve() {
	defer n.closeFiles()
	if err := n.handshake(); err != nil {
		n.log("handshake-failed", fields{"reason": err.Error()})
		return
	}
	n.log("aio", nil)
	n.serveFrames()
}

// expect reads the classic message that comes next.
func (n *nfcConn) expect(kind uint32) ([]byte, error) {
	m := make([]byte, classicSize)
	if _, err := io.ReadFull(n.conn, m); err != nil {
		return nil, err
	}
	if got := le.Uint32(m); got != kind {
		violation("classic message out of order",
			fields{"want": kind, "got": got})
		n.conn.Write(classicErrorMessage(errInvalid, "unexpected message"))
		return nil, fmt.Errorf("message %d instead of %d", got, kind)
	}
	return m, nil
}

func classicErrorMessage(code uint32, text string) []byte {
	m := classicMessage(classicError)
	le.PutUint32(m[4:], 1)
	le.PutUint32(m[8:], code)
	le.PutUint32(m[12:], uint32(len(text)+1))
	return append(append(m, text...), 0)
}

func (n *nfcConn) handshake() error {
	if err := n.greeting(); err != nil {
		return err
	}
	if r := knobs.nfc("classic"); r != nil {
		if r.Do == "error" {
			n.conn.Write(classicErrorMessage(uint32(r.Status), r.Message))
		}
		if r.Do == "error" || obey(n.authdConn.conn, r, func(string) {}) {
			return fmt.Errorf("as a rule says")
		}
	}
	reply := classicMessage(classicStatus)
	le.PutUint32(reply[16:], 1)
	n.conn.Write(reply)

	m, err := n.expect(classicProto)
	if err != nil {
		return err
	}
	if version := le.Uint32(m[4:]); version < 3 {
		violation("NFC version", fields{"version": version})
	}
	reply = classicMessage(classicProto)
	le.PutUint32(reply[4:], nfcVersion)
	n.conn.Write(reply)
	return n.names()
}

// greeting: 43 with the text that THUMBPRINT had, and 33.
func (n *nfcConn) greeting() error {
	m, err := n.expect(classicRandom)
	if err != nil {
		return err
	}
	text := string(bytes.TrimRight(m[4:], "\x00"))
	if text != n.nonce && n.nonce != "" {
		violation("message 43 has another text than THUMBPRINT", nil)
	}
	_, err = n.expect(classicParams)
	return err
}

// names: 54 and the texts it announces, 55, and 52, which has a reply.
func (n *nfcConn) names() error {
	m, err := n.expect(classicNames)
	if err != nil {
		return err
	}
	lengths := [2]uint32{le.Uint32(m[4:]), le.Uint32(m[8:])}
	if lengths[0] > 256 || lengths[1] > 256 {
		violation("names too long", nil)
		return fmt.Errorf("names too long")
	}
	texts := make([]byte, lengths[0]+lengths[1])
	if _, err := io.ReadFull(n.conn, texts); err != nil {
		return err
	}
	n.log("names", fields{"client": string(texts[:lengths[0]]),
		"operation": string(texts[lengths[0]:])})
	if m, err = n.expect(classicOpts); err != nil {
		return err
	}
	if features := le.Uint32(m[4:]); features != 3 {
		violation("session features", fields{"features": features})
	}
	if _, err = n.expect(classicAio); err != nil {
		return err
	}
	_, err = n.conn.Write(classicMessage(classicAio))
	return err
}
