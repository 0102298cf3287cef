// SPDX-License-Identifier: BSD-3-Clause

package main

// The table of operations that are ours, and of those of the simulator that have
// consequences outside of it.

import (
	"reflect"
	"strings"

	"github.com/vmware/govmomi/vim25/types"
)

var operations = map[string]operation{}
var hooks = map[string]hook{}

func init() {
	for name, call := range map[string]operation{
		"RetrieveInternalContent":       internalContent,
		"NfcGetVmFiles":                 nfcTicket,
		"NfcRandomAccessOpenDisk":       nfcTicket,
		"NfcRandomAccessOpenReadonly":   nfcTicket,
		"AcquireGenericServiceTicket":   genericTicket,
		"FindAllByUuid":                 findAllByUUID,
		"DisableMethods":                disableMethods,
		"EnableMethods":                 enableMethods,
		"QueryChangedDiskAreas":         queryChanged,
		"CancelTask":                    cancelTask,
		"ExportVm":                      exportDisks,
		"ExportSnapshot":                exportDisks,
		"ImportVApp":                    importVApp,
		"HttpNfcLeaseProgress":          leaseProgress,
		"HttpNfcLeaseComplete":          leaseComplete,
		"HttpNfcLeaseAbort":             leaseAbort,
		"CreateVirtualDisk_Task":        managed,
		"CopyVirtualDisk_Task":          managed,
		"MoveVirtualDisk_Task":          managed,
		"DeleteVirtualDisk_Task":        managed,
		"ExtendVirtualDisk_Task":        managed,
		"ShrinkVirtualDisk_Task":        managed,
		"DefragmentVirtualDisk_Task":    managed,
		"InflateVirtualDisk_Task":       managed,
		"ZeroFillVirtualDisk_Task":      managed,
		"EagerZeroVirtualDisk_Task":     managed,
		"QueryVirtualDiskUuid":          diskUUID,
		"SetVirtualDiskUuid":            setDiskUUID,
		"QueryVirtualDiskFragmentation": diskFragmentation,
		"QueryVirtualDiskGeometry":      diskGeometry,
	} {
		operations[name] = call
	}
	for name, around := range map[string]hook{
		"CreateVM_Task":           aroundCreate,
		"ReconfigVM_Task":         aroundReconfigure,
		"CreateSnapshot_Task":     aroundSnapshot,
		"RemoveSnapshot_Task":     aroundRemoval,
		"RemoveAllSnapshots_Task": aroundRemoval,
		"RevertToSnapshot_Task":   aroundRevert,
		"CreateDisk_Task":         aroundFirstClass,
	} {
		hooks[name] = around
	}
	for _, example := range []interface{}{
		retrieveInternalContent{}, disableRequest{}, enableRequest{},
		MethodAlreadyDisabledFault{},
	} {
		kind := reflect.TypeOf(example)
		name := kind.Name()
		if n, ok := example.(interface{ soapName() string }); ok {
			name = n.soapName()
		}
		ownTypes[name] = kind
	}
	for _, name := range []string{"NfcGetVmFiles", "NfcRandomAccessOpenDisk",
		"NfcRandomAccessOpenReadonly"} {
		ownTypes[name] = reflect.TypeOf(nfcRequest{})
	}
}

type retrieveInternalContent struct {
	This types.ManagedObjectReference `xml:"_this"`
}

func (retrieveInternalContent) soapName() string {
	return "RetrieveInternalContent"
}

type internalServiceContent struct {
	NfcService moRef `xml:"nfcService"`
}

func nfcService() moRef {
	if world.esx {
		return moRef{Type: "NfcService", Value: "ha-nfc-service"}
	}
	return moRef{Type: "NfcService", Value: "nfcService"}
}

func internalContent(*front, *soapCall) ([]interface{}, error) {
	return []interface{}{internalServiceContent{nfcService()}}, nil
}

type nfcRequest struct {
	This          moRef  `xml:"_this"`
	VM            moRef  `xml:"vm"`
	DiskDeviceKey *int32 `xml:"diskDeviceKey"`
	HostForAccess *moRef `xml:"hostForAccess"`
}

func nfcTicket(_ *front, call *soapCall) ([]interface{}, error) {
	request := call.body.(*nfcRequest)
	call.note["vm"] = request.VM.Value
	if call.this != nfcService() {
		return nil, fault(&types.ManagedObjectNotFound{Obj: call.this},
			"no such service")
	}
	vm := world.vm(request.VM)
	if vm == nil {
		return nil, fault(&types.ManagedObjectNotFound{Obj: request.VM},
			"no such VM")
	}
	if call.op != "NfcGetVmFiles" {
		if request.DiskDeviceKey == nil {
			return nil, fault(&types.InvalidArgument{
				InvalidProperty: "diskDeviceKey"}, "a key is missing")
		}
		call.note["key"] = *request.DiskDeviceKey
		if !world.hasDisk(vm, *request.DiskDeviceKey) {
			return nil, fault(&types.InvalidArgument{
				InvalidProperty: "diskDeviceKey"}, "no such disk")
		}
	}
	t := &ticket{vm: request.VM.Value, service: "vpxa-nfc",
		readOnly: call.op != "NfcRandomAccessOpenDisk"}
	if world.esx {
		t.service = "nfc"
	}
	return []interface{}{world.hostTicket(t)}, nil
}

func findAllByUUID(_ *front, call *soapCall) ([]interface{}, error) {
	request := call.body.(*types.FindAllByUuid)
	var found []interface{}
	if !request.VmSearch {
		return found, nil
	}
	for _, vm := range world.allVMs() {
		var id string
		withLock(vm, func() {
			id = vm.Config.Uuid
			if request.InstanceUuid != nil && *request.InstanceUuid {
				id = vm.Config.InstanceUuid
			}
		})
		if strings.EqualFold(id, request.Uuid) {
			found = append(found, vm.Self)
		}
	}
	return found, nil
}

func genericTicket(f *front, call *soapCall) ([]interface{}, error) {
	request := call.body.(*types.AcquireGenericServiceTicket)
	spec, ok := request.Spec.(*types.SessionManagerHttpServiceRequestSpec)
	if !ok {
		return nil, fault(&types.InvalidArgument{InvalidProperty: "spec"},
			"a ticket for HTTP only")
	}
	id, err := urlTickets.issue(spec.Method, spec.Url)
	if err != nil {
		return nil, fault(&types.InvalidArgument{InvalidProperty: "spec.url"},
			"no URL")
	}
	return []interface{}{types.SessionManagerGenericServiceTicket{Id: id,
		HostName: "127.0.0.1", SslThumbprint: f.cert.sha1}}, nil
}
