// SPDX-License-Identifier: BSD-3-Clause

package main

// DisableMethods and EnableMethods, by which backup programs keep a VM where
// it is.

import (
	"sort"
	"strings"
	"sync"

	"github.com/vmware/govmomi/vim25/types"
)

type disabledMethod struct {
	Method   string `xml:"method"`
	ReasonID string `xml:"reasonId"`
}

type disableRequest struct {
	This         moRef            `xml:"_this"`
	Entity       []moRef          `xml:"entity"`
	Method       []disabledMethod `xml:"method"`
	SourceID     string           `xml:"sourceId"`
	SessionScope *bool            `xml:"sessionScope"`
}

func (disableRequest) soapName() string { return "DisableMethods" }

type enableRequest struct {
	This     moRef    `xml:"_this"`
	Entity   []moRef  `xml:"entity"`
	Method   []string `xml:"method"`
	SourceID string   `xml:"sourceId"`
}

func (enableRequest) soapName() string { return "EnableMethods" }

// MethodAlreadyDisabledFault is not among govmomi's types.
type MethodAlreadyDisabledFault struct {
	types.RuntimeFault
	SourceID string `xml:"sourceId"`
}

// holders: VM, then method, then who has disabled it.
var (
	holders    = map[string]map[string]string{}
	holderLock sync.Mutex
)

func disableMethods(_ *front, call *soapCall) ([]interface{}, error) {
	request := call.body.(*disableRequest)
	call.note["source"] = request.SourceID
	holderLock.Lock()
	defer holderLock.Unlock()
	if len(request.SourceID) == 0 || len(request.SourceID) > 50 {
		return nil, fault(&types.InvalidArgument{InvalidProperty: "sourceId"},
			"1 to 50 characters")
	}
	for _, entity := range request.Entity {
		if world.vm(entity) == nil {
			return nil, fault(&types.ManagedObjectNotFound{Obj: entity},
				"no such VM")
		}
		for _, m := range request.Method {
			other := holders[entity.Value][m.Method]
			if other != "" && other != request.SourceID {
				return nil, fault(&MethodAlreadyDisabledFault{SourceID: other},
					"%s is disabled by %s", m.Method, other)
			}
		}
	}
	for _, entity := range request.Entity {
		call.note["vm"] = entity.Value
		if holders[entity.Value] == nil {
			holders[entity.Value] = map[string]string{}
		}
		for _, m := range request.Method {
			holders[entity.Value][m.Method] = request.SourceID
		}
		showDisabled(entity)
	}
	return nil, nil
}

func enableMethods(_ *front, call *soapCall) ([]interface{}, error) {
	request := call.body.(*enableRequest)
	call.note["source"] = request.SourceID
	holderLock.Lock()
	defer holderLock.Unlock()
	for _, entity := range request.Entity {
		call.note["vm"] = entity.Value
		for _, method := range request.Method {
			if holders[entity.Value][method] == request.SourceID {
				delete(holders[entity.Value], method)
			}
		}
		showDisabled(entity)
	}
	return nil, nil
}

// showDisabled sets the VM's property.  The simulator compares with names of its
// own, which lack the underscore.
func showDisabled(entity moRef) {
	vm := world.vm(entity)
	if vm == nil {
		return
	}
	var names []string
	for method := range holders[entity.Value] {
		names = append(names, method, strings.Replace(method, "_Task", "Task", 1))
	}
	sort.Strings(names)
	setProperty(vm, "disabledMethod", names)
}

func (w *worldState) disabled() map[string][]string {
	holderLock.Lock()
	defer holderLock.Unlock()
	all := map[string][]string{}
	for entity, methods := range holders {
		for method := range methods {
			all[entity] = append(all[entity], method)
		}
		sort.Strings(all[entity])
	}
	return all
}
