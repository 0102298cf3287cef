// SPDX-License-Identifier: BSD-3-Clause

package main

// What an IO frame's extra may be: raw, zlib, FastLZ, SkipZ.

import (
	"bytes"
	"compress/zlib"
	"errors"
	"io"
)

const (
	compressNone   = 0
	compressZlib   = 1
	compressFastLZ = 2
	compressSkipZ  = 3
)

var errExtra = errors.New("damaged compressed data")

// squeeze codes data as kind, or as raw if that is not shorter.
func squeeze(kind uint32, data []byte) (uint32, []byte) {
	var out []byte
	switch kind {
	case compressZlib:
		out = zlibDeflate(data)
	case compressFastLZ:
		level := 1
		if len(data) >= 65536 {
			level = 2
		}
		out = fastlzCompress(level, data)
	case compressSkipZ:
		out = skipzEncode(data)
	default:
		return compressNone, data
	}
	if len(out) >= len(data) {
		return compressNone, data
	}
	return kind, out
}

// expand is the other way: size bytes, not one more or less.
func expand(kind uint32, extra []byte, size int) ([]byte, error) {
	switch kind {
	case compressNone:
		if len(extra) != size {
			return nil, errExtra
		}
		return extra, nil
	case compressZlib:
		return zlibInflate(extra, size)
	case compressFastLZ:
		return fastlzDecompress(extra, size)
	case compressSkipZ:
		return skipzDecode(extra, size)
	}
	return nil, errExtra
}

func zlibDeflate(data []byte) []byte {
	var b bytes.Buffer
	w, _ := zlib.NewWriterLevel(&b, zlib.BestSpeed) // the level is a sound one
	w.Write(data)
	w.Close()
	return b.Bytes()
}

func zlibInflate(extra []byte, size int) ([]byte, error) {
	in := bytes.NewReader(extra)
	r, err := zlib.NewReader(in)
	if err != nil {
		return nil, errExtra
	}
	out, err := io.ReadAll(io.LimitReader(r, int64(size)+1))
	if err != nil || len(out) != size || in.Len() != 0 {
		return nil, errExtra
	}
	return out, nil
}

const skipzGap = 8 // zeros that are worth a run's header of their own

// skipzEncode: u32 total, u32 0, then offset, length, bytes of each run.
func skipzEncode(data []byte) []byte {
	out := le.AppendUint32(nil, uint32(len(data)))
	out = le.AppendUint32(out, 0)
	for at := 0; at < len(data); {
		if data[at] == 0 {
			at++
			continue
		}
		end, zeros := at, 0
		for next := at; next < len(data) && zeros <= skipzGap; next++ {
			zeros++
			if data[next] != 0 {
				end, zeros = next+1, 0
			}
		}
		out = le.AppendUint32(out, uint32(at))
		out = le.AppendUint32(out, uint32(end-at))
		out = append(out, data[at:end]...)
		at = end
	}
	return out
}

func skipzDecode(extra []byte, size int) ([]byte, error) {
	u32 := le.Uint32
	if len(extra) < 8 || u32(extra) != uint32(size) || u32(extra[4:]) != 0 {
		return nil, errExtra
	}
	out, last := make([]byte, size), uint64(0)
	for p := extra[8:]; len(p) > 0; {
		if len(p) < 8 {
			return nil, errExtra
		}
		at, n := uint64(u32(p)), uint64(u32(p[4:]))
		p = p[8:]
		if n == 0 || n > uint64(len(p)) || at < last || at+n > uint64(size) {
			return nil, errExtra
		}
		copy(out[at:], p[:n])
		p, last = p[n:], at+n
	}
	return out, nil
}
