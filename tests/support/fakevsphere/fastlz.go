// SPDX-License-Identifier: BSD-3-Clause

package main

// FastLZ, from the description of the format: literal runs and matches, told
// apart by the upper three bits of an opcode.  The first opcode's are the level:
// 0 = level 1, 1 = level 2.  Level 2 has matches of any length, and far ones.

import "errors"

const (
	lzWindow1   = 8191         // level 1 reaches that far back, level 2 nearly
	lzWindow2   = 65535 + 8191 // level 2 with a 16 bit distance
	lzMaxMatch1 = 264
	lzTail      = 12 // the last bytes are literals, as other coders have it
	lzHashBits  = 13
)

var errFastLZ = errors.New("fastlz: damaged data")

func lzHash(p []byte) uint32 {
	v := uint32(p[0]) | uint32(p[1])<<8 | uint32(p[2])<<16
	return (v * 2654435769) >> (32 - lzHashBits)
}

func lzLiterals(out, src []byte) []byte {
	for len(src) > 0 {
		n := len(src)
		if n > 32 {
			n = 32
		}
		out = append(out, byte(n-1))
		out = append(out, src[:n]...)
		src = src[n:]
	}
	return out
}

func lzMatch1(out []byte, length, back int) []byte {
	for length > 0 {
		n := length
		if n > lzMaxMatch1 {
			n = lzMaxMatch1
			if length-n < 3 { // never leave less than a match
				n -= 3
			}
		}
		if n < 9 {
			out = append(out, byte((n-2)<<5|back>>8), byte(back))
		} else {
			out = append(out, byte(7<<5|back>>8), byte(n-9), byte(back))
		}
		length -= n
	}
	return out
}

func lzMatch2(out []byte, length, back int) []byte {
	high, low := back>>8, back&255
	far := back >= lzWindow1
	if far {
		high, low = 31, 255
	}
	if length < 9 {
		out = append(out, byte((length-2)<<5|high))
	} else {
		out = append(out, byte(7<<5|high))
		rest := length - 9
		for ; rest >= 255; rest -= 255 {
			out = append(out, 255)
		}
		out = append(out, byte(rest))
	}
	out = append(out, byte(low))
	if far {
		out = append(out, byte((back-lzWindow1)>>8), byte(back-lzWindow1))
	}
	return out
}

// fastlzCompress codes src, not empty, with level 1 or 2.
func fastlzCompress(level int, src []byte) []byte {
	window, least, match := lzWindow1, 3, lzMatch1
	if level == 2 {
		window, match = lzWindow2, lzMatch2
	}
	var seen [1 << lzHashBits]int32 // position + 1
	out := make([]byte, 0, len(src)+len(src)/32+1)
	from, limit := 0, len(src)-lzTail
	for at := 1; at < limit; {
		h := lzHash(src[at:])
		ref := int(seen[h]) - 1
		seen[h] = int32(at + 1)
		n := 0
		if ref >= 0 && at-ref <= window {
			for at+n < limit && src[ref+n] == src[at+n] {
				n++
			}
		}
		if far := at-ref > lzWindow1; n < least || (far && n < 5) {
			at++
			continue
		}
		out = match(lzLiterals(out, src[from:at]), n, at-ref-1)
		at += n
		from = at
	}
	out = lzLiterals(out, src[from:])
	if level == 2 {
		out[0] |= 1 << 5
	}
	return out
}

// lzReader hands out bytes and remembers that there were too few.
type lzReader struct {
	p      []byte
	failed bool
}

func (r *lzReader) next() int {
	if len(r.p) == 0 {
		r.failed = true
		return 0
	}
	b := r.p[0]
	r.p = r.p[1:]
	return int(b)
}

// match decodes what follows a match's opcode: its length and how far back.
func (r *lzReader) match(level, op int) (length, back int) {
	length, back = op>>5+2, (op&31)<<8
	if op>>5 == 7 {
		more := r.next()
		length += more
		for level == 2 && more == 255 && !r.failed {
			more = r.next()
			length += more
		}
	}
	low := r.next()
	back += low
	if level == 2 && low == 255 && op&31 == 31 {
		back = r.next() << 8
		back += r.next() + lzWindow1
	}
	return length, back + 1
}

// fastlzDecompress gives back exactly size bytes, or an error.
func fastlzDecompress(src []byte, size int) ([]byte, error) {
	if len(src) == 0 || src[0]>>5 > 1 {
		return nil, errFastLZ
	}
	level := int(src[0]>>5) + 1
	out := make([]byte, 0, size)
	r := &lzReader{p: src}
	for op := r.next() & 31; ; op = r.next() {
		if op < 32 {
			if op+1 > len(r.p) || len(out)+op+1 > size {
				return nil, errFastLZ
			}
			out = append(out, r.p[:op+1]...)
			r.p = r.p[op+1:]
		} else {
			length, back := r.match(level, op)
			if r.failed || back > len(out) || len(out)+length > size {
				return nil, errFastLZ
			}
			for ; length > 0; length-- {
				out = append(out, out[len(out)-back])
			}
		}
		if len(r.p) == 0 {
			break
		}
	}
	if len(out) != size {
		return nil, errFastLZ
	}
	return out, nil
}
