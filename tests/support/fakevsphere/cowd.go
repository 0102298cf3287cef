// SPDX-License-Identifier: BSD-3-Clause

package main

// vmfsSparse ("COWD"), the redo log of ESXi: a directory of tables of single
// sectors.  Nothing is kept in memory, so that whoever opens the file sees what
// was written last; one lock is enough for a test's few disks.

import (
	"errors"
	"os"
	"sync"
)

const (
	sectorSize   = 512
	cowdEntries  = 4096 // sectors that a table covers
	cowdTable    = cowdEntries * 4
	cowdDirStart = 4 // sector
	cowdFree     = 28
)

var cowdLock sync.Mutex

var errCowd = errors.New("not a redo log of ours")

func sectors(bytes int64) int64 {
	return (bytes + sectorSize - 1) / sectorSize
}

// cowdCreate writes an empty redo log for a disk of that many bytes.
func cowdCreate(path string, capacity int64) error {
	tables := (sectors(capacity) + cowdEntries - 1) / cowdEntries
	start := cowdDirStart + sectors(tables*4)
	header := make([]byte, start*sectorSize)
	copy(header, "COWD")
	for i, v := range []int64{1, 3, sectors(capacity), 1, cowdDirStart, tables,
		start} {
		le.PutUint32(header[4+4*i:], uint32(v))
	}
	return os.WriteFile(path, header, 0o600)
}

func fileU32(f *os.File, at int64) (uint32, error) {
	var b [4]byte
	_, err := f.ReadAt(b[:], at)
	return le.Uint32(b[:]), err
}

func filePutU32(f *os.File, at int64, v uint32) error {
	var b [4]byte
	le.PutUint32(b[:], v)
	_, err := f.WriteAt(b[:], at)
	return err
}

// cowdMap gives the sector in the file of each of the n sectors from first on
// that lie in one table; 0 where there is none.
func cowdMap(f *os.File, first, n int64) ([]uint32, error) {
	places := make([]uint32, n)
	gd, err := fileU32(f, cowdDirStart*sectorSize+first/cowdEntries*4)
	if err != nil || gd == 0 {
		return places, err
	}
	raw := make([]byte, n*4)
	at := int64(gd)*sectorSize + first%cowdEntries*4
	if _, err := f.ReadAt(raw, at); err != nil {
		return nil, err
	}
	for i := range places {
		places[i] = le.Uint32(raw[4*i:])
	}
	return places, nil
}

// cowdTake takes n sectors from the end.
func cowdTake(f *os.File, n uint32) (uint32, error) {
	at, err := fileU32(f, cowdFree)
	if err == nil {
		err = filePutU32(f, cowdFree, at+n)
	}
	return at, err
}

// cowdTableOf finds, or makes, the table for a sector: its place in bytes.
func cowdTableOf(f *os.File, sector int64) (int64, error) {
	entry := cowdDirStart*sectorSize + sector/cowdEntries*4
	gd, err := fileU32(f, entry)
	if err != nil || gd != 0 {
		return int64(gd) * sectorSize, err
	}
	if gd, err = cowdTake(f, cowdTable/sectorSize); err != nil {
		return 0, err
	}
	at := int64(gd) * sectorSize
	if _, err = f.WriteAt(make([]byte, cowdTable), at); err != nil {
		return 0, err
	}
	return at, filePutU32(f, entry, gd)
}

// cowdWrite writes whole sectors.
func cowdWrite(f *os.File, data []byte, off int64) error {
	cowdLock.Lock()
	defer cowdLock.Unlock()
	for ; len(data) > 0; data, off = data[sectorSize:], off+sectorSize {
		table, err := cowdTableOf(f, off/sectorSize)
		if err != nil {
			return err
		}
		entry := table + off/sectorSize%cowdEntries*4
		place, err := fileU32(f, entry)
		fresh := place == 0
		if err == nil && fresh {
			place, err = cowdTake(f, 1)
		}
		if err == nil {
			_, err = f.WriteAt(data[:sectorSize], int64(place)*sectorSize)
		}
		if err == nil && fresh {
			err = filePutU32(f, entry, place)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
