// SPDX-License-Identifier: BSD-3-Clause

package main

// Replies to reads as no honest server sends them.

import "math/rand"

const (
	bloatPart  = 16
	bloatExtra = 1000
)

// bloat answers a read in tiny fragments with long extras.
func bloat(op uint32, rec ioRecord) []*aioFrame {
	var frames []*aioFrame
	rec.compression, rec.length, rec.extra = compressZlib, bloatPart, bloatExtra
	for rec.at = 0; rec.at < rec.total; rec.at += bloatPart {
		frames = append(frames, &aioFrame{aioIO, op, rec.bytes(),
			make([]byte, bloatExtra)})
	}
	return frames
}

// spoilRead has the frames of a read lie, as the rule says.
func (n *nfcConn) spoilRead(r *rule, frames []*aioFrame) []*aioFrame {
	f := frames[len(frames)-1]
	p := f.payload
	switch r.Do {
	case "too-much": // more data than was asked for
		f.extra = append(append([]byte{}, f.extra...),
			make([]byte, sectorSize)...)
		le.PutUint32(p[32:], le.Uint32(p[32:])+sectorSize)
		le.PutUint32(p[36:], uint32(len(f.extra)))
	case "too-long": // much more on the wire than it says it is worth
		le.PutUint32(p[36:], 0x7ffffff0)
	case "wrong-offset":
		le.PutUint32(p[28:], 0x7ffff000)
	case "wrong-total":
		le.PutUint32(p[24:], le.Uint32(p[24:])+sectorSize)
	case "zero-length":
		le.PutUint32(p[32:], 0)
		le.PutUint32(p[36:], 0)
		f.extra = nil
	case "duplicate":
		frames = append(frames, frames[0])
	case "short":
		frames = frames[:len(frames)-1]
	case "bloated": // much more on the wire than all of it is worth
		frames = bloat(f.op, decodeIO(p))
	case "bad-extra":
		f.extra = append([]byte{}, f.extra...)
		rand.Read(f.extra)
		if le.Uint32(p[12:]) == compressNone {
			le.PutUint32(p[12:], compressZlib)
		}
	}
	return frames
}
