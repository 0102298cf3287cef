// SPDX-License-Identifier: BSD-3-Clause

package main

// The control port (see main.go): knobs, and what happens in the VMs.

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"sync/atomic"
)

const maxControl = 64 << 20

type controlRequest struct {
	VM     string `json:"vm"`
	On     bool   `json:"on"`
	Path   string `json:"path"`
	Offset int64  `json:"offset"`
	Length int64  `json:"length"`
	Hex    string `json:"hex"`
}

type controlCall func(body []byte, r *controlRequest) (interface{}, error)

func startControl(authd *authdServer) (net.Listener, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	for path, call := range map[string]controlCall{
		"/knobs": controlKnobs,
		"/power": func(_ []byte, r *controlRequest) (interface{}, error) {
			return nil, world.power(r.VM, r.On)
		},
		"/write": controlWrite,
		"/read":  controlRead,
		"/expire": func([]byte, *controlRequest) (interface{}, error) {
			sessions.expireAll()
			return nil, nil
		},
		"/state": func([]byte, *controlRequest) (interface{}, error) {
			return state(authd), nil
		},
	} {
		handleControl(mux, path, call)
	}
	go http.Serve(listener, mux)
	return listener, nil
}

func handleControl(mux *http.ServeMux, path string, call controlCall) {
	mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(io.LimitReader(r.Body, maxControl))
		var request controlRequest
		if err == nil && path != "/knobs" && len(body) > 0 {
			err = json.Unmarshal(body, &request)
		}
		var answer interface{}
		if err == nil {
			answer, err = call(body, &request)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if answer == nil {
			answer = fields{}
		}
		json.NewEncoder(w).Encode(answer)
	})
}

func controlKnobs(body []byte, _ *controlRequest) (interface{}, error) {
	if len(body) > 0 {
		if err := knobs.set(body); err != nil {
			return nil, err
		}
	}
	return knobs.get(), nil
}

// withDisk opens a disk by its datastore path, for a range of whole sectors.
func withDisk(r *controlRequest, length int64, do func(*chain) error) error {
	host, err := world.file(r.Path)
	if err != nil {
		return err
	}
	c, err := openChain(host)
	if err != nil {
		return err
	}
	defer c.close()
	if r.Offset%sectorSize != 0 || length%sectorSize != 0 || length < 0 ||
		r.Offset < 0 || r.Offset+length > c.capacity() {
		return errors.New("not a range of whole sectors of the disk")
	}
	return do(c)
}

func controlWrite(_ []byte, r *controlRequest) (interface{}, error) {
	data, err := hex.DecodeString(r.Hex)
	if err != nil {
		return nil, err
	}
	return nil, withDisk(r, int64(len(data)), func(c *chain) error {
		return c.writeAt(data, r.Offset)
	})
}

func controlRead(_ []byte, r *controlRequest) (interface{}, error) {
	if r.Length > maxControl/4 {
		return nil, errors.New("too much at once")
	}
	data := make([]byte, r.Length)
	err := withDisk(r, r.Length, func(c *chain) error {
		return c.readAt(data, r.Offset)
	})
	return fields{"hex": hex.EncodeToString(data)}, err
}

func state(authd *authdServer) fields {
	all := fields{
		"sessions": sessions.count(),
		"tickets":  tickets.count(),
		"nfc":      atomic.LoadInt64(&authd.open),
		"open":     openPaths.list(),
		"disabled": world.disabled(),
		"leases":   leases.state(),
		"vms":      world.vms(),
		"hotadd":   fields{},
	}
	if guest != nil {
		all["hotadd"] = guest.state()
	}
	return all
}
