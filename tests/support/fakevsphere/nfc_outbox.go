// SPDX-License-Identifier: BSD-3-Clause

package main

// What an NFC session sends: whole frames, in the order of the knob
// reply_order.  Another order than the natural one needs several to choose from,
// so frames then wait for a moment for others.

import (
	"math/rand"
	"net"
	"sync"
	"time"
)

const outboxWait = 4 * time.Millisecond

type outbox struct {
	mu      sync.Mutex
	conn    net.Conn
	waiting [][]byte
	timer   *time.Timer
	broken  bool
	idle    sync.WaitGroup // until no request waits for its latency
}

func newOutbox(conn net.Conn) *outbox {
	return &outbox{conn: conn}
}

func (o *outbox) send(frames ...[]byte) {
	order := knobs.get().ReplyOrder
	o.mu.Lock()
	defer o.mu.Unlock()
	if order == "" && len(o.waiting) == 0 {
		for _, frame := range frames {
			o.write(frame)
		}
		return
	}
	o.waiting = append(o.waiting, frames...)
	if o.timer == nil {
		o.timer = time.AfterFunc(outboxWait, o.flush)
	} else {
		o.timer.Reset(outboxWait)
	}
}

func (o *outbox) flush() {
	order := knobs.get().ReplyOrder
	o.mu.Lock()
	defer o.mu.Unlock()
	frames := o.waiting
	o.waiting = nil
	reorder(frames, order)
	for _, frame := range frames {
		o.write(frame)
	}
}

// reorder puts items into the order that a knob names.
func reorder[T any](items []T, order string) {
	swap := func(i, k int) { items[i], items[k] = items[k], items[i] }
	switch order {
	case "reversed":
		for i, k := 0, len(items)-1; i < k; i, k = i+1, k-1 {
			swap(i, k)
		}
	case "shuffled":
		rand.Shuffle(len(items), swap)
	}
}

func (o *outbox) write(frame []byte) {
	if o.broken {
		return
	}
	if _, err := o.conn.Write(frame); err != nil {
		o.broken = true
	}
}

// abandon sends nothing more; what is given goes out first, as it is.
func (o *outbox) abandon(last []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(last) > 0 {
		o.write(last)
	}
	o.broken = true
}
