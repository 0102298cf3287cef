// SPDX-License-Identifier: BSD-3-Clause

package main

// AIO frames other than IO: sessions, files, the disk's database, allocation.

import (
	"errors"
	"fmt"
	"io"
	"math/rand"
	"strconv"
)

const (
	nfcDisk     = 2
	openRO      = 0x04 // bit of the flags
	nfcBuffer   = 65536
	nfcBuffers  = 4
	nfcMaxPath  = 4096
	nfcMaxFiles = 64
)

type nfcFile struct {
	path     string
	chain    *chain
	readOnly bool
}

// nfcRefusal is what an ERROR frame will say.
type nfcRefusal struct {
	code uint32
	text string
}

func (r *nfcRefusal) Error() string {
	return fmt.Sprintf("%s (%d)", r.text, r.code)
}

func refuse(code uint32, text string) error {
	return &nfcRefusal{code, text}
}

var errGone = errors.New("the connection is over")

func (n *nfcConn) closeFiles() {
	n.out.idle.Wait()
	for handle, file := range n.files {
		n.log("lost", fields{"path": file.path})
		n.closeFile(handle)
	}
}

func (n *nfcConn) closeFile(handle uint64) {
	openPaths.remove(n.files[handle].path)
	n.files[handle].chain.close()
	delete(n.files, handle)
}

func (n *nfcConn) serveFrames() {
	for {
		f, err := readFrame(n.conn)
		if err != nil {
			if err != io.EOF {
				n.log("broken", fields{"reason": err.Error()})
			}
			if err == errMagic {
				violation("frame without magic", nil)
			}
			return
		}
		if f.kind == 0 {
			n.log("complete", nil)
			return
		}
		if !n.frame(f) {
			return
		}
	}
}

// frameKinds: what rules and the log call them, and the payload's size.
var frameKinds = map[uint32]struct {
	name string
	size int
	do   func(*nfcConn, *aioFrame) (*aioFrame, error)
}{
	aioOpenSession:  {"open-session", 16, (*nfcConn).openSession},
	aioCloseSession: {"close-session", 4, (*nfcConn).closeSession},
	aioOpenFile:     {"open", 60, (*nfcConn).openFile},
	aioCloseFile:    {"close", 8, (*nfcConn).closeHandle},
	aioSockOpts:     {"sock-opts", 12, (*nfcConn).sockOpts},
	aioResPool:      {"res-pool", 4, (*nfcConn).echo},
	aioDdbGet:       {"ddb", 16, (*nfcConn).ddbGet},
	aioAllocated:    {"allocated", 48, (*nfcConn).allocated},
}

// frame does one request; false: the connection is over.
func (n *nfcConn) frame(f *aioFrame) bool {
	if f.kind == aioIO {
		return n.io(f)
	}
	kind, ok := frameKinds[f.kind]
	if !ok {
		n.log("unsupported", fields{"type": f.kind})
		n.fail(f.op, refuse(errUnsupported, "not supported"))
		return true
	}
	if len(f.payload) != kind.size {
		violation("size of payload", fields{"frame": kind.name,
			"size": len(f.payload)})
		return false
	}
	reply, err := kind.do(n, f)
	if err == errGone {
		return false
	}
	return n.answer(kind.name, f, reply, err)
}

// answer sends a reply, unless a rule has other plans.
func (n *nfcConn) answer(name string, f, reply *aioFrame, err error) bool {
	r := knobs.nfc(name)
	if r != nil && r.Do == "error" {
		err = refuse(uint32(r.Status), r.Message)
	}
	if err != nil {
		n.fail(f.op, err)
		return true
	}
	raw := reply.bytes()
	if r != nil {
		var alive bool
		if raw, alive = n.spoil(r, raw); !alive {
			return false
		}
	}
	n.out.send(raw)
	return true
}

// spoil does to a frame's bytes what a rule says; false: the connection is
// over.
func (n *nfcConn) spoil(r *rule, raw []byte) ([]byte, bool) {
	switch r.Do {
	case "bad-magic":
		raw[0] ^= 0xff
	case "bad-type":
		le.PutUint32(raw[4:], 99)
	case "huge-size":
		le.PutUint32(raw[8:], 0xfffffff0)
	case "wrong-op":
		le.PutUint32(raw[12:], le.Uint32(raw[12:])+1000)
	case "cut-inside":
		n.out.abandon(raw[:len(raw)/2])
		n.conn.Close()
		return nil, false
	case "cut":
		n.out.abandon(nil)
		n.conn.Close()
		return nil, false
	default:
		if obey(n.authdConn.conn, r, func(string) {}) {
			n.out.abandon(nil)
			return nil, false
		}
	}
	return raw, true
}

// fail sends an ERROR frame, whose form nobody outside knows for sure.
func (n *nfcConn) fail(op uint32, err error) {
	refusal, ok := err.(*nfcRefusal)
	if !ok {
		refusal = &nfcRefusal{errInput, err.Error()}
	}
	n.log("error", fields{"code": refusal.code, "text": refusal.text})
	payload := make([]byte, 16)
	le.PutUint32(payload, refusal.code)
	switch knobs.get().ErrorPayload {
	case "empty":
		payload = nil
	case "text":
		le.PutUint32(payload[4:], uint32(len(refusal.text)))
		payload = append(payload, refusal.text...)
	}
	n.out.send((&aioFrame{kind: aioError, op: op, payload: payload}).bytes())
}

func (n *nfcConn) echo(f *aioFrame) (*aioFrame, error) {
	return &aioFrame{kind: f.kind, op: f.op,
		payload: make([]byte, len(f.payload))}, nil
}

func (n *nfcConn) openSession(f *aioFrame) (*aioFrame, error) {
	size, count := le.Uint32(f.payload[4:]), le.Uint32(f.payload[8:])
	if size == 0 {
		size = nfcBuffer
	}
	if count == 0 {
		count = nfcBuffers
	}
	k := knobs.get()
	n.log("open-session", fields{"bufSize": size, "bufCount": count})
	if n.buffer != 0 {
		violation("second OPEN_SESSION", nil)
	}
	if int64(size) > int64(k.MaxBuffer) {
		return nil, refuse(errInvalid, "buffer size not supported")
	}
	if int64(size)*int64(count) > k.Memory {
		return nil, refuse(errMemory, "NFC error 5: Failed to allocate")
	}
	n.buffer = size
	return n.echo(f)
}

func (n *nfcConn) closeSession(f *aioFrame) (*aioFrame, error) {
	if len(n.files) > 0 {
		violation("CLOSE_SESSION with files open", nil)
	}
	n.log("close-session", nil)
	n.buffer = 0
	return n.echo(f)
}

func (n *nfcConn) sockOpts(f *aioFrame) (*aioFrame, error) {
	reply, _ := n.echo(f)
	le.PutUint32(reply.payload, 256<<10)
	le.PutUint32(reply.payload[4:], 256<<10)
	return reply, nil
}

// extraText reads a text that follows a frame.
func (n *nfcConn) extraText(length uint32) (string, error) {
	if length == 0 || length > nfcMaxPath {
		violation("length of text", fields{"length": length})
		return "", errGone
	}
	text := make([]byte, length)
	if _, err := io.ReadFull(n.conn, text); err != nil {
		return "", errGone
	}
	return string(text), nil
}

func (n *nfcConn) openFile(f *aioFrame) (*aioFrame, error) {
	path, err := n.extraText(le.Uint32(f.payload))
	if err != nil {
		return nil, err
	}
	kind, flags := le.Uint32(f.payload[16:]), le.Uint32(f.payload[20:])
	n.log("open", fields{"path": path, "flags": flags})
	if kind != nfcDisk || flags != 0x1e && flags != 0x1a {
		violation("OPEN_FILE", fields{"type": kind, "flags": flags})
	}
	if n.buffer == 0 {
		violation("OPEN_FILE without session", nil)
		return nil, refuse(errInvalid, "no session")
	}
	file, err := n.openDisk(path, flags&openRO != 0)
	if err != nil {
		return nil, err
	}
	handle := rand.Uint64() | 1
	n.files[handle] = file
	openPaths.add(path)
	return openReply(f, handle, flags, file.chain), nil
}

func (n *nfcConn) openDisk(path string, readOnly bool) (*nfcFile, error) {
	if len(n.files) >= nfcMaxFiles {
		return nil, refuse(errMemory, "too many files")
	}
	if n.ticket.readOnly && !readOnly {
		return nil, refuse(errReadOnly, "the ticket is for reading only")
	}
	host, err := world.diskForNfc(n.ticket.vm, path, !readOnly)
	if err != nil {
		return nil, err
	}
	c, err := openChain(host)
	if err != nil {
		return nil, refuse(errNotFound, err.Error())
	}
	return &nfcFile{path, c, readOnly}, nil
}

func openReply(f *aioFrame, handle uint64, flags uint32, c *chain) *aioFrame {
	p := make([]byte, 60)
	le.PutUint64(p[8:], handle)
	le.PutUint32(p[16:], nfcDisk)
	le.PutUint32(p[20:], flags)
	le.PutUint64(p[28:], uint64(c.capacity()))
	le.PutUint32(p[36:], sectorSize)
	for i, key := range []string{"cylinders", "heads", "sectors"} {
		v, _ := strconv.ParseUint(c.ddb("geometry."+key), 10, 32)
		le.PutUint32(p[40+4*i:], uint32(v))
	}
	return &aioFrame{kind: f.kind, op: f.op, payload: p}
}

func (n *nfcConn) file(handle uint64) (*nfcFile, error) {
	file := n.files[handle]
	if file == nil {
		violation("handle unknown", nil)
		return nil, refuse(errInvalid, "no such handle")
	}
	return file, nil
}

func (n *nfcConn) closeHandle(f *aioFrame) (*aioFrame, error) {
	handle := le.Uint64(f.payload)
	file, err := n.file(handle)
	if err != nil {
		return nil, err
	}
	if len(n.writing) > 0 {
		violation("CLOSE_FILE in the middle of a write", nil)
	}
	n.log("close", fields{"path": file.path})
	n.out.idle.Wait()
	n.closeFile(handle)
	return n.echo(f)
}

func (n *nfcConn) ddbGet(f *aioFrame) (*aioFrame, error) {
	key, err := n.extraText(le.Uint32(f.payload[8:]))
	if err != nil {
		return nil, err
	}
	file, err := n.file(le.Uint64(f.payload))
	if err != nil {
		return nil, err
	}
	value := file.chain.ddb(key)
	n.log("ddb", fields{"key": key, "value": value})
	reply, _ := n.echo(f)
	le.PutUint32(reply.payload[12:], uint32(len(value)))
	reply.extra = []byte(value)
	return reply, nil
}

const maxChunks = 1 << 20

func (n *nfcConn) allocated(f *aioFrame) (*aioFrame, error) {
	file, err := n.file(le.Uint64(f.payload))
	if err != nil {
		return nil, err
	}
	chunk, start := le.Uint64(f.payload[16:]), le.Uint64(f.payload[24:])
	count := le.Uint64(f.payload[32:])
	size := uint64(file.chain.capacity())
	if chunk == 0 || chunk%sectorSize != 0 || start%chunk != 0 ||
		count == 0 || count > maxChunks || start >= size ||
		(size-start+chunk-1)/chunk < count {
		violation("query of allocation", fields{"chunk": chunk,
			"start": start, "count": count})
		return nil, refuse(errInvalid, "bad range")
	}
	reply, _ := n.echo(f)
	le.PutUint64(reply.payload[32:], count)
	reply.extra = make([]byte, (count+31)/32*4)
	for i := uint64(0); i < count; i++ {
		at, length := start+i*chunk, chunk
		if at+length > size {
			length = size - at
		}
		if file.chain.allocated(int64(at), int64(length)) {
			reply.extra[i/8] |= 1 << (i % 8)
		}
	}
	n.log("allocated", fields{"start": start, "chunk": chunk, "count": count})
	return reply, nil
}
