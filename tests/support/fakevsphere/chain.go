// SPDX-License-Identifier: BSD-3-Clause

package main

// A virtual disk as its descriptor says: an extent, and parents below.

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
)

// descriptor is a .vmdk text file, taken apart.
type descriptor struct {
	text     string
	sparse   bool   // a redo log
	extent   string // path of the data
	parent   string // path of the parent's descriptor, or ""
	capacity int64
	ddb      map[string]string
}

var (
	extentLine = regexp.MustCompile(
		`(?m)^RW (\d+) (VMFS|VMFSSPARSE) "([^"/]+)"`)
	parentLine = regexp.MustCompile(`(?m)^parentFileNameHint="([^"]+)"`)
	ddbLine    = regexp.MustCompile(`(?m)^ddb\.(\S+) = "([^"]*)"`)
	cidLine    = regexp.MustCompile(`(?m)^CID=([0-9a-f]{8})`)
)

func readDescriptor(path string) (*descriptor, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	d := &descriptor{text: string(raw), ddb: map[string]string{}}
	extent := extentLine.FindStringSubmatch(d.text)
	if extent == nil {
		return nil, fmt.Errorf("%s: no descriptor of ours", path)
	}
	count, _ := strconv.ParseInt(extent[1], 10, 63)
	d.capacity = count * sectorSize
	d.sparse = extent[2] == "VMFSSPARSE"
	d.extent = filepath.Join(filepath.Dir(path), extent[3])
	if parent := parentLine.FindStringSubmatch(d.text); parent != nil {
		d.parent = parent[1]
		if !filepath.IsAbs(d.parent) {
			d.parent = filepath.Join(filepath.Dir(path), d.parent)
		}
	}
	for _, line := range ddbLine.FindAllStringSubmatch(d.text, -1) {
		d.ddb[line[1]] = line[2]
	}
	return d, nil
}

type link struct {
	*descriptor
	path string
	file *os.File
}

// chain is an open disk, the leaf first.
type chain struct {
	links []link
}

func openChain(path string) (*chain, error) {
	c := &chain{}
	for path != "" {
		d, err := readDescriptor(path)
		if err == nil && len(c.links) >= 32 {
			err = fmt.Errorf("%s: a chain without end", path)
		}
		var file *os.File
		if err == nil {
			file, err = os.OpenFile(d.extent, os.O_RDWR, 0)
		}
		if err != nil {
			c.close()
			return nil, err
		}
		c.links = append(c.links, link{d, path, file})
		path = d.parent
	}
	return c, nil
}

func (c *chain) close() {
	for _, l := range c.links {
		l.file.Close()
	}
}

func (c *chain) capacity() int64 {
	return c.links[0].capacity
}

func (c *chain) base() string {
	return c.links[len(c.links)-1].path
}

// ddb looks a key up in the leaf, then below: redo logs have few of their own.
func (c *chain) ddb(key string) string {
	for _, l := range c.links {
		if value, ok := l.ddb[key]; ok {
			return value
		}
	}
	return ""
}

// each cuts [off, off+len) into pieces that are alike: from the level's
// extent file at some place, or not there (place < 0).
func (l *link) each(off, length int64,
	piece func(off, n, place int64) error) error {
	for length > 0 {
		n := length
		if !l.sparse {
			return piece(off, n, off)
		}
		if left := cowdEntries*sectorSize - off%(cowdEntries*sectorSize); n > left {
			n = left
		}
		places, err := cowdMap(l.file, off/sectorSize, n/sectorSize)
		if err != nil {
			return err
		}
		if err := eachRun(places, off, piece); err != nil {
			return err
		}
		off, length = off+n, length-n
	}
	return nil
}

func eachRun(places []uint32, off int64,
	piece func(off, n, place int64) error) error {
	for i := 0; i < len(places); {
		k := i + 1
		for k < len(places) && (places[i] == 0 && places[k] == 0 ||
			places[i] != 0 && places[k] == places[i]+uint32(k-i)) {
			k++
		}
		place := int64(places[i]) * sectorSize
		if place == 0 {
			place = -1
		}
		err := piece(off+int64(i)*sectorSize, int64(k-i)*sectorSize, place)
		if err != nil {
			return err
		}
		i = k
	}
	return nil
}

// readAt reads whole sectors; data behind the end of a file is zeros.
func (c *chain) readAt(p []byte, off int64) error {
	return c.readFrom(0, p, off)
}

func (c *chain) readFrom(level int, p []byte, off int64) error {
	if level == len(c.links) {
		for i := range p {
			p[i] = 0
		}
		return nil
	}
	l := &c.links[level]
	return l.each(off, int64(len(p)), func(at, n, place int64) error {
		part := p[at-off : at-off+n]
		if place < 0 {
			return c.readFrom(level+1, part, at)
		}
		got, err := l.file.ReadAt(part, place)
		for i := got; i < len(part); i++ {
			part[i] = 0
		}
		if err == io.EOF {
			return nil
		}
		return err
	})
}

// writeAt writes whole sectors to the leaf, as the VM does.
func (c *chain) writeAt(p []byte, off int64) error {
	changes.note(c.base(), off, int64(len(p)))
	return c.store(p, off)
}

func (c *chain) store(p []byte, off int64) error {
	leaf := &c.links[0]
	if leaf.sparse {
		return cowdWrite(leaf.file, p, off)
	}
	_, err := leaf.file.WriteAt(p, off)
	return err
}

// allocated tells whether any byte of the range is stored at any level.
func (c *chain) allocated(off, length int64) bool {
	for i := range c.links {
		found := false
		l := &c.links[i]
		l.each(off, length, func(at, n, place int64) error {
			if place >= 0 && (l.sparse || fileHasData(l.file, at, n)) {
				found = true
			}
			return nil
		})
		if found {
			return true
		}
	}
	return false
}

const seekData = 3

func fileHasData(f *os.File, off, length int64) bool {
	at, err := syscall.Seek(int(f.Fd()), off, seekData)
	return err == nil && at < off+length
}

var parentCID = regexp.MustCompile(`(?m)^parentCID=[0-9a-f]{8}`)

// replaceParent gives a descriptor another parent, in the same folder.
func replaceParent(text, parent, cid string) string {
	text = parentCID.ReplaceAllLiteralString(text, "parentCID="+cid)
	return parentLine.ReplaceAllLiteralString(text,
		`parentFileNameHint="`+filepath.Base(parent)+`"`)
}

// splitPath takes "[ds] dir/x.vmdk" apart.
func splitPath(path string) (datastore, rest string, ok bool) {
	end := strings.Index(path, "] ")
	if !strings.HasPrefix(path, "[") || end < 0 {
		return "", "", false
	}
	return path[1:end], path[end+2:], true
}
