// SPDX-License-Identifier: BSD-3-Clause

package main

// IO frames.  A request waits out its latency on a timer, beside the others in
// flight; a read is then answered in fragments, a write, which comes in
// fragments, with one frame.

import (
	"io"
	"time"
)

const maxRequest = 256 << 20

// nfcWrite is a write whose fragments have not all come.
type nfcWrite struct {
	first ioRecord
	next  uint32 // where the next fragment must begin
	rule  *rule
	err   error
}

// io takes one IO frame; false: the connection is over.
func (n *nfcConn) io(f *aioFrame) bool {
	if len(f.payload) != ioSize {
		violation("size of payload", fields{"frame": "io",
			"size": len(f.payload)})
		return false
	}
	rec := decodeIO(f.payload)
	if rec.total == 0 || rec.total > maxRequest || rec.direction > ioRead ||
		rec.compression > compressSkipZ || le.Uint32(f.payload[40:]) != 0 {
		violation("IO record", fields{"record": rec.fields()})
		return false
	}
	if rec.direction == ioRead {
		return n.read(f.op, rec)
	}
	return n.write(f.op, rec)
}

func (r *ioRecord) fields() fields {
	return fields{"direction": r.direction, "compression": r.compression,
		"offset": r.offset, "total": r.total, "at": r.at,
		"length": r.length, "extra": r.extra}
}

// check looks at the range of a request.
func (n *nfcConn) check(rec *ioRecord) (*nfcFile, error) {
	file, err := n.file(rec.handle)
	if err != nil {
		return nil, err
	}
	size := uint64(file.chain.capacity())
	if rec.offset%sectorSize != 0 || rec.total%sectorSize != 0 ||
		rec.offset > size || uint64(rec.total) > size-rec.offset {
		violation("IO outside of the disk", fields{"record": rec.fields()})
		return nil, refuse(errInvalid, "bad range")
	}
	return file, nil
}

// later does it after the latency, and what a rule adds, without waiting here.
func (n *nfcConn) later(r *rule, do func()) {
	wait := time.Duration(knobs.get().LatencyMs) * time.Millisecond
	if r != nil && r.Do == "delay" {
		wait += r.pause()
	}
	n.out.idle.Add(1)
	time.AfterFunc(wait, func() {
		defer n.out.idle.Done()
		do()
	})
}

func (n *nfcConn) read(op uint32, rec ioRecord) bool {
	if rec.at != 0 || rec.length != rec.total || rec.extra != rec.total {
		violation("read request", fields{"record": rec.fields()})
	}
	file, err := n.check(&rec)
	r := knobs.nfc("read", "io")
	if r != nil && r.Do == "error" {
		err = refuse(uint32(r.Status), r.Message)
	}
	if err != nil {
		n.later(nil, func() { n.fail(op, err) })
		return true
	}
	if r != nil && isEnd(r.Do) && r.Do != "cut-inside" {
		_, alive := n.spoil(r, nil)
		return alive
	}
	buffer := n.buffer
	n.later(r, func() {
		data := make([]byte, rec.total)
		if err := file.chain.readAt(data, int64(rec.offset)); err != nil {
			n.fail(op, err)
			return
		}
		frames := readFrames(op, rec, data, buffer)
		if r != nil {
			frames = n.spoilRead(r, frames)
		}
		raw := make([][]byte, len(frames))
		for i, f := range frames {
			raw[i] = f.bytes()
			if r != nil && i == 0 {
				raw[i], _ = n.spoil(headerOnly(r), raw[i])
			}
		}
		n.out.send(raw...)
	})
	return true
}

func isEnd(do string) bool {
	return do == "cut" || do == "cut-inside" || do == "reset" || do == "stall"
}

// headerOnly keeps spoil from doing again what has been done.
func headerOnly(r *rule) *rule {
	switch r.Do {
	case "bad-magic", "bad-type", "huge-size", "wrong-op", "cut-inside":
		return r
	}
	return &rule{}
}

// readFrames cuts data into the frames of a reply.
func readFrames(op uint32, rec ioRecord, data []byte,
	buffer uint32) []*aioFrame {
	k := knobs.get()
	most := int(buffer)
	if k.Fragment > 0 && k.Fragment < most {
		most = k.Fragment
	}
	var frames []*aioFrame
	for at := 0; at < len(data); at += most {
		end := at + most
		if end > len(data) {
			end = len(data)
		}
		kind := rec.compression
		if k.Compression == "never" ||
			k.Compression == "alternate" && len(frames)%2 == 1 {
			kind = compressNone
		}
		kind, extra := squeeze(kind, data[at:end])
		part := ioRecord{direction: ioRead, compression: kind,
			offset: rec.offset, total: rec.total, at: uint32(at),
			length: uint32(end - at), extra: uint32(len(extra))}
		frames = append(frames, &aioFrame{aioIO, op, part.bytes(), extra})
	}
	reorder(frames, k.FragmentOrder)
	return frames
}

// write takes one fragment; the last one has the reply follow.
func (n *nfcConn) write(op uint32, rec ioRecord) bool {
	if rec.length == 0 || rec.length > n.buffer || rec.extra > rec.length ||
		rec.compression != compressNone && rec.extra == rec.length {
		violation("fragment of a write", fields{"record": rec.fields()})
		return false
	}
	extra := make([]byte, rec.extra)
	if _, err := io.ReadFull(n.conn, extra); err != nil {
		n.log("broken", fields{"reason": "inside a write"})
		return false
	}
	w := n.writing[op]
	if w == nil {
		w = &nfcWrite{first: rec, rule: knobs.nfc("write", "io")}
		n.writing[op] = w
	}
	if rec.at != w.next || rec.total != w.first.total ||
		rec.offset != w.first.offset || rec.handle != w.first.handle ||
		rec.length > rec.total-rec.at {
		violation("fragments do not fit", fields{"record": rec.fields()})
		return false
	}
	w.next += rec.length
	n.store(w, rec, extra)
	if w.next < rec.total {
		return true
	}
	delete(n.writing, op)
	return n.acknowledge(op, w)
}

// store writes a fragment, unless the request has failed already.
func (n *nfcConn) store(w *nfcWrite, rec ioRecord, extra []byte) {
	if w.err != nil {
		return
	}
	if w.rule != nil && w.rule.Do == "error" {
		w.err = refuse(uint32(w.rule.Status), w.rule.Message)
		return
	}
	file, err := n.check(&rec)
	if err == nil && file.readOnly {
		err = refuse(errReadOnly, "opened for reading only")
	}
	var data []byte
	if err == nil {
		data, err = expand(rec.compression, extra, int(rec.length))
		if err != nil {
			violation("compressed data", fields{"record": rec.fields()})
		}
	}
	if err == nil {
		err = file.chain.writeAt(data, int64(rec.offset)+int64(rec.at))
	}
	w.err = err
}

func (n *nfcConn) acknowledge(op uint32, w *nfcWrite) bool {
	r := w.rule
	if r != nil && isEnd(r.Do) && r.Do != "cut-inside" {
		_, alive := n.spoil(r, nil)
		return alive
	}
	rec := w.first
	rec.handle, rec.compression, rec.length, rec.extra = 0, 0, rec.total, 0
	if knobs.get().WriteAckExtra == "length" {
		rec.extra = rec.total
	}
	n.later(r, func() {
		if w.err != nil {
			n.fail(op, w.err)
			return
		}
		raw := (&aioFrame{aioIO, op, rec.bytes(), nil}).bytes()
		if r != nil {
			raw, _ = n.spoil(headerOnly(r), raw)
		}
		if raw != nil {
			n.out.send(raw)
		}
	})
	return true
}
