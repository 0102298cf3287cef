// SPDX-License-Identifier: BSD-3-Clause

package main

// Changed block tracking: what was written to a disk since each snapshot.  A
// change id is "uuid/number"; a snapshot ends a number.

import (
	"fmt"
	"sort"
	"strconv"
	"strings"
	"sync"
)

type area struct{ start, length int64 }

type trackedDisk struct {
	id     string
	number int
	writes map[int][]area // while which number
}

type changeTracker struct {
	mu    sync.Mutex
	disks map[string]*trackedDisk // by the base's descriptor
}

var changes = &changeTracker{disks: map[string]*trackedDisk{}}

// track begins to track a disk.
func (t *changeTracker) track(base, id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.disks[base] = &trackedDisk{id: id, number: 1, writes: map[int][]area{}}
}

func (t *changeTracker) note(base string, off, length int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if d := t.disks[base]; d != nil {
		d.writes[d.number] = append(d.writes[d.number], area{off, length})
	}
}

// current gives the change id of a disk as it is now.
func (t *changeTracker) current(base string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if d := t.disks[base]; d != nil {
		return d.now()
	}
	return ""
}

func (d *trackedDisk) now() string {
	return fmt.Sprintf("%s/%d", d.id, d.number)
}

// snapshot gives the change id that stands for now, and begins the next; "" for
// a disk that is not tracked.
func (t *changeTracker) snapshot(base string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	d := t.disks[base]
	if d == nil {
		return ""
	}
	d.number++
	return d.now()
}

// since gives what was written from one change id until another ("" = now).
func (t *changeTracker) since(base, from, until string) ([]area, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	d := t.disks[base]
	if d == nil {
		return nil, fmt.Errorf("changes of this disk are not tracked")
	}
	first, err := d.parse(from)
	last := d.number + 1
	if err == nil && until != "" {
		last, err = d.parse(until)
	}
	if err != nil {
		return nil, err
	}
	var all []area
	for number := first; number < last; number++ {
		all = append(all, d.writes[number]...)
	}
	return merged(all), nil
}

func (d *trackedDisk) parse(id string) (int, error) {
	name, text, _ := strings.Cut(id, "/")
	number, err := strconv.Atoi(text)
	if err != nil || name != d.id || number < 1 || number > d.number {
		return 0, fmt.Errorf("change id %q is not one of this disk", id)
	}
	return number, nil
}

// changeGrain is what areas are rounded to, as on real hosts.
const changeGrain = 65536

func merged(all []area) []area {
	sort.Slice(all, func(i, k int) bool { return all[i].start < all[k].start })
	var out []area
	for _, a := range all {
		end := (a.start + a.length + changeGrain - 1) / changeGrain * changeGrain
		a.start = a.start / changeGrain * changeGrain
		a.length = end - a.start
		if n := len(out) - 1; n >= 0 && a.start <= out[n].start+out[n].length {
			if more := end - out[n].start; more > out[n].length {
				out[n].length = more
			}
			continue
		}
		out = append(out, a)
	}
	return out
}
