// SPDX-License-Identifier: BSD-3-Clause

package main

// streamOptimized VMDK: written as ESXi exports it (tables behind their grains,
// footer at the end), read in any layout, both in one pass.

import (
	"errors"
	"fmt"
	"io"
	"os"
)

const (
	grainBytes    = 65536
	grainSectors  = grainBytes / sectorSize
	grainsInTable = 512
	streamHead    = 128 // sectors before the first grain
	markerEnd     = 0
	markerTable   = 1
	markerDir     = 2
	markerFooter  = 3
)

var errStream = errors.New("not a streamOptimized disk")

func streamHeader(capacity int64, directory uint64) []byte {
	h := make([]byte, sectorSize)
	copy(h, "KDMV")
	le.PutUint32(h[4:], 3)
	le.PutUint32(h[8:], 0x30001)
	le.PutUint64(h[12:], uint64(sectors(capacity)))
	le.PutUint64(h[20:], grainSectors)
	le.PutUint64(h[28:], 1)
	le.PutUint64(h[36:], 1)
	le.PutUint32(h[44:], grainsInTable)
	le.PutUint64(h[56:], directory)
	le.PutUint64(h[64:], streamHead)
	copy(h[73:], "\n \r\n")
	le.PutUint16(h[77:], 1)
	return h
}

type streamWriter struct {
	w         io.Writer
	at        uint32 // sector
	table     []byte
	directory []byte
	err       error
}

// put writes whole sectors, zeros behind what does not fill the last one.
func (s *streamWriter) put(p []byte) {
	if rest := len(p) % sectorSize; rest > 0 {
		p = append(p[:len(p):len(p)], make([]byte, sectorSize-rest)...)
	}
	if s.err == nil {
		_, s.err = s.w.Write(p)
	}
	s.at += uint32(len(p) / sectorSize)
}

func (s *streamWriter) marker(count uint64, kind uint32) {
	m := make([]byte, sectorSize)
	le.PutUint64(m, count)
	le.PutUint32(m[12:], kind)
	s.put(m)
}

// marked writes a marker and what it announces; the latter's sector.
func (s *streamWriter) marked(kind uint32, p []byte) uint32 {
	s.marker(uint64(sectors(int64(len(p)))), kind)
	at := s.at
	s.put(p)
	return at
}

func (s *streamWriter) grain(number int64, data []byte) {
	packed := zlibDeflate(data)
	record := make([]byte, 12, 12+len(packed))
	le.PutUint64(record, uint64(number*grainSectors))
	le.PutUint32(record[8:], uint32(len(packed)))
	le.PutUint32(s.table[number%grainsInTable*4:], s.at)
	s.put(append(record, packed...))
}

func (s *streamWriter) endTable() {
	at := uint32(0)
	if !allZero(s.table) {
		at = s.marked(markerTable, s.table)
		s.table = make([]byte, len(s.table))
	}
	s.directory = le.AppendUint32(s.directory, at)
}

func allZero(p []byte) bool {
	for _, b := range p {
		if b != 0 {
			return false
		}
	}
	return true
}

// writeStream sends the disk as a stream.
func writeStream(w io.Writer, c *chain, name string) error {
	s := &streamWriter{w: w, table: make([]byte, grainsInTable*4)}
	head := make([]byte, streamHead*sectorSize)
	copy(head, streamHeader(c.capacity(), ^uint64(0)))
	copy(head[sectorSize:], fmt.Sprintf("# Disk DescriptorFile\nversion=1\n"+
		"CID=%08x\nparentCID=ffffffff\ncreateType=\"streamOptimized\"\n"+
		"RDONLY %d SPARSE \"%s\"\nddb.adapterType = \"lsilogic\"\n",
		0x7ab3c1d5, sectors(c.capacity()), name))
	s.put(head)
	buffer := make([]byte, grainBytes)
	grains := (c.capacity() + grainBytes - 1) / grainBytes
	for g := int64(0); g < grains && s.err == nil; g++ {
		n := c.capacity() - g*grainBytes
		if n > grainBytes {
			n = grainBytes
		}
		if s.err = c.readAt(buffer[:n], g*grainBytes); s.err != nil {
			break
		}
		if !allZero(buffer[:n]) {
			s.grain(g, buffer[:n])
		}
		if g%grainsInTable == grainsInTable-1 || g == grains-1 {
			s.endTable()
		}
	}
	directory := s.marked(markerDir, s.directory)
	s.marked(markerFooter, streamHeader(c.capacity(), uint64(directory)))
	s.marker(0, markerEnd)
	return s.err
}

// readStream takes a stream to its end and writes the disk's bytes to out.
func readStream(r io.Reader, out *os.File) (capacity int64, err error) {
	h := make([]byte, sectorSize)
	if _, err := io.ReadFull(r, h); err != nil {
		return 0, err
	}
	if string(h[:4]) != "KDMV" || le.Uint32(h[4:]) != 3 ||
		le.Uint32(h[8:])&0x30000 != 0x30000 ||
		le.Uint64(h[20:]) != grainSectors || le.Uint64(h[64:]) < 2 ||
		le.Uint64(h[12:]) > 1<<32 || le.Uint64(h[64:]) > 1<<32 {
		return 0, errStream
	}
	capacity = int64(le.Uint64(h[12:])) * sectorSize
	skip := int64(le.Uint64(h[64:])-1) * sectorSize
	if _, err := io.CopyN(io.Discard, r, skip); err != nil {
		return 0, err
	}
	for last := int64(-1); ; {
		ended, lba, err := readRecord(r, out, h, capacity)
		if err != nil {
			return 0, err
		}
		if ended {
			break
		}
		if lba >= 0 && lba <= last {
			return 0, errors.New("grains out of order")
		} else if lba >= 0 {
			last = lba
		}
	}
	if n, _ := io.Copy(io.Discard, r); n > 0 {
		return 0, errors.New("bytes behind the end of the stream")
	}
	return capacity, out.Truncate(capacity)
}

// readRecord takes a marker (lba -1) or a grain; h is a sector's room.
func readRecord(r io.Reader, out *os.File, h []byte,
	capacity int64) (ended bool, lba int64, err error) {
	if _, err := io.ReadFull(r, h); err != nil {
		return false, 0, err
	}
	count, size := le.Uint64(h), int64(le.Uint32(h[8:]))
	if size == 0 {
		if le.Uint32(h[12:]) == markerEnd {
			return true, -1, nil
		}
		if count > 1<<24 {
			return false, 0, errStream
		}
		_, err = io.CopyN(io.Discard, r, int64(count)*sectorSize)
		return false, -1, err
	}
	if count%grainSectors != 0 || count > uint64(capacity/sectorSize) ||
		size > 2*grainBytes {
		return false, 0, errStream
	}
	record := make([]byte, sectors(12+size)*sectorSize)
	copy(record, h)
	if _, err := io.ReadFull(r, record[sectorSize:]); err != nil {
		return false, 0, err
	}
	at := int64(count) * sectorSize
	n := capacity - at
	if n > grainBytes {
		n = grainBytes
	}
	data, err := zlibInflate(record[12:12+size], int(n))
	if err != nil && n < grainBytes { // some pad the last grain
		data, err = zlibInflate(record[12:12+size], grainBytes)
	}
	if err == nil {
		_, err = out.WriteAt(data, at)
	}
	return false, int64(count), err
}
