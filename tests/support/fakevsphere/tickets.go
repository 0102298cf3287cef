// SPDX-License-Identifier: BSD-3-Clause

package main

// Tickets for authd, each good for one connection; and the disks that
// connections have open.

import (
	"sync"

	"github.com/google/uuid"
)

type ticket struct {
	vm       string // MoRef's value
	service  string
	readOnly bool
}

func (t *ticket) mode() string {
	if t.readOnly {
		return "read-only"
	}
	return "read-write"
}

type ticketBook struct {
	mu   sync.Mutex
	open map[string]*ticket
}

var tickets = &ticketBook{open: map[string]*ticket{}}

func (b *ticketBook) issue(t *ticket) string {
	id := uuid.New().String()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.open[id] = t
	return id
}

func (b *ticketBook) known(id string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.open[id] != nil
}

// take gives a ticket out for good; nil: there is none, or not any more.
func (b *ticketBook) take(id string) *ticket {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.open[id]
	delete(b.open, id)
	return t
}

func (b *ticketBook) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.open)
}

// bag counts texts.
type bag struct {
	mu    sync.Mutex
	count map[string]int
}

var openPaths = &bag{count: map[string]int{}}

func (b *bag) add(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.count[text]++
}

func (b *bag) remove(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.count[text]--; b.count[text] == 0 {
		delete(b.count, text)
	}
}

func (b *bag) list() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := []string{}
	for text, n := range b.count {
		for ; n > 0; n-- {
			all = append(all, text)
		}
	}
	return all
}
