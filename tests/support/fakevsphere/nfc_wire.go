// SPDX-License-Identifier: BSD-3-Clause

package main

// NFC's bytes: classic messages of 264 bytes, AIO frames, the IO record.

import (
	"encoding/binary"
	"errors"
	"io"
)

const (
	classicSize   = 264
	classicError  = 20
	classicEnd    = 4
	classicParams = 33
	classicStatus = 36
	classicRandom = 43
	classicProto  = 51
	classicAio    = 52
	classicNames  = 54
	classicOpts   = 55

	aioMagic      = 0xA100DA7A
	aioHeader     = 16
	aioMaxPayload = 4096

	aioError        = 1
	aioOpenSession  = 2
	aioCloseSession = 3
	aioOpenFile     = 4
	aioCloseFile    = 5
	aioIO           = 7
	aioSockOpts     = 9
	aioFileInfo     = 10
	aioDdbGet       = 11
	aioAllocated    = 13
	aioResPool      = 22

	ioSize  = 44
	ioWrite = 0
	ioRead  = 1
)

// Reasons in an ERROR frame, where they are VixError's numbers.
const (
	errMemory      = 2
	errInvalid     = 3
	errNotFound    = 4
	errUnsupported = 6
	errReadOnly    = 0x0b
	errLocked      = 0x0f
	errInput       = 0x14
)

var le = binary.LittleEndian

var errMagic = errors.New("bad magic")

// aioFrame is one frame; extra is not counted in the header's size.
type aioFrame struct {
	kind, op uint32
	payload  []byte
	extra    []byte
}

func (f *aioFrame) bytes() []byte {
	b := make([]byte, aioHeader, aioHeader+len(f.payload)+len(f.extra))
	le.PutUint32(b, aioMagic)
	le.PutUint32(b[4:], f.kind)
	le.PutUint32(b[8:], uint32(len(f.payload)))
	le.PutUint32(b[12:], f.op)
	return append(append(b, f.payload...), f.extra...)
}

// readFrame reads header and payload.  What begins with type 4 instead of the
// magic is the classic message that ends a session: kind 0.
func readFrame(r io.Reader) (*aioFrame, error) {
	var head [aioHeader]byte
	if _, err := io.ReadFull(r, head[:4]); err != nil {
		return nil, err
	}
	if le.Uint32(head[:]) == classicEnd {
		_, err := io.CopyN(io.Discard, r, classicSize-4)
		return &aioFrame{}, err
	}
	if le.Uint32(head[:]) != aioMagic {
		return nil, errMagic
	}
	if _, err := io.ReadFull(r, head[4:]); err != nil {
		return nil, err
	}
	f := &aioFrame{kind: le.Uint32(head[4:]), op: le.Uint32(head[12:])}
	size := le.Uint32(head[8:])
	if size > aioMaxPayload {
		return nil, errors.New("payload too large")
	}
	f.payload = make([]byte, size)
	_, err := io.ReadFull(r, f.payload)
	return f, err
}

// ioRecord is the payload of an IO frame, in both directions.
type ioRecord struct {
	handle      uint64
	direction   uint32
	compression uint32
	offset      uint64 // on the disk, of the whole request
	total       uint32 // bytes of the request
	at          uint32 // of this fragment, in the request
	length      uint32 // of this fragment, not compressed
	extra       uint32 // on the wire
}

func decodeIO(p []byte) ioRecord {
	return ioRecord{le.Uint64(p), le.Uint32(p[8:]), le.Uint32(p[12:]),
		le.Uint64(p[16:]), le.Uint32(p[24:]), le.Uint32(p[28:]),
		le.Uint32(p[32:]), le.Uint32(p[36:])}
}

func (r *ioRecord) bytes() []byte {
	p := make([]byte, ioSize)
	le.PutUint64(p, r.handle)
	le.PutUint32(p[8:], r.direction)
	le.PutUint32(p[12:], r.compression)
	le.PutUint64(p[16:], r.offset)
	le.PutUint32(p[24:], r.total)
	le.PutUint32(p[28:], r.at)
	le.PutUint32(p[32:], r.length)
	le.PutUint32(p[36:], r.extra)
	return p
}

func classicMessage(kind uint32) []byte {
	m := make([]byte, classicSize)
	le.PutUint32(m, kind)
	return m
}
