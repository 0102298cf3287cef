// SPDX-License-Identifier: BSD-3-Clause

package main

// The log: one JSON object a line, in the order in which things were done.

import (
	"encoding/json"
	"os"
	"sync"
	"time"
)

type fields map[string]interface{}

type eventLog struct {
	mu    sync.Mutex
	file  *os.File // nil: nobody reads it
	start time.Time
}

var events = &eventLog{start: time.Now()}

func (l *eventLog) open(path string) error {
	file, err := os.Create(path)
	if err == nil {
		l.file = file
	}
	return err
}

// add writes a line of that kind.  Nothing secret may be in what.
func (l *eventLog) add(kind string, what fields) {
	line := fields{"t": time.Since(l.start).Seconds(), "kind": kind}
	for name, value := range what {
		line[name] = value
	}
	text, err := json.Marshal(line)
	if err != nil {
		panic(err) // only values that have a JSON form are put in
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file != nil {
		l.file.Write(append(text, '\n'))
	}
}

// violation notes what no client may do.
func violation(what string, more fields) {
	line := fields{"what": what}
	for name, value := range more {
		line[name] = value
	}
	events.add("violation", line)
}
