// SPDX-License-Identifier: BSD-3-Clause

package main

// The inventory, as the rest of the program looks at it.

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

type worldState struct {
	model *simulator.Model
	esx   bool
	dir   string // the datastore's files
	authd int    // port

	datacenter, datastore, host          string // names
	datacenterRef, datastoreRef, hostRef moRef
	hostDigest                           string
	proxy                                string // name of the VM we "run" in
	vmfs                                 vmfsSpec
}

var world = &worldState{}

type vmObject = simulator.VirtualMachine
type snapshotObject = simulator.VirtualMachineSnapshot

func withLock(obj mo.Reference, do func()) {
	simulator.Map.WithLock(obj, do)
}

func setProperty(obj mo.Reference, name string, value interface{}) {
	withLock(obj, func() {
		simulator.Map.Update(obj,
			[]types.PropertyChange{{Name: name, Val: value}})
	})
}

func (w *worldState) vm(ref moRef) *vmObject {
	vm, _ := simulator.Map.Get(ref).(*vmObject)
	return vm
}

func (w *worldState) allVMs() []*vmObject {
	var all []*vmObject
	for _, entity := range simulator.Map.All("VirtualMachine") {
		if vm, ok := entity.(*vmObject); ok {
			all = append(all, vm)
		}
	}
	return all
}

func (w *worldState) vmNamed(name string) (*vmObject, error) {
	for _, vm := range w.allVMs() {
		if vm.Name == name {
			return vm, nil
		}
	}
	return nil, fmt.Errorf("no VM %q", name)
}

func isOn(vm *vmObject) (on bool) {
	withLock(vm, func() {
		on = vm.Runtime.PowerState == types.VirtualMachinePowerStatePoweredOn
	})
	return on
}

// devicesOf gives the devices of a VM, or of a snapshot, as they are now.
func devicesOf(owner mo.Reference) (devices []types.BaseVirtualDevice) {
	withLock(owner, func() {
		switch o := owner.(type) {
		case *vmObject:
			devices = o.Config.Hardware.Device
		case *snapshotObject:
			devices = o.Config.Hardware.Device
		}
	})
	return devices
}

func (w *worldState) power(name string, on bool) error {
	vm, err := w.vmNamed(name)
	if err != nil {
		return err
	}
	state := types.VirtualMachinePowerStatePoweredOff
	if on {
		state = types.VirtualMachinePowerStatePoweredOn
	}
	setProperty(vm, "runtime.powerState", state)
	setProperty(vm, "summary.runtime.powerState", state)
	return nil
}

// file gives the place of "[ds] dir/x" on this machine.
func (w *worldState) file(name string) (string, error) {
	ds, rest, ok := splitPath(name)
	if !ok || ds != w.datastore || rest == "" {
		return "", fault(&types.InvalidDatastorePath{DatastorePath: name},
			"%q is no path of this datastore", name)
	}
	return filepath.Join(w.dir, filepath.FromSlash(path.Clean("/"+rest))), nil
}

// named is the other way.
func (w *worldState) named(file string) string {
	rest, _ := filepath.Rel(w.dir, file)
	return "[" + w.datastore + "] " + filepath.ToSlash(rest)
}

func disksOf(devices []types.BaseVirtualDevice) []*types.VirtualDisk {
	var disks []*types.VirtualDisk
	for _, device := range devices {
		if disk, ok := device.(*types.VirtualDisk); ok {
			disks = append(disks, disk)
		}
	}
	return disks
}

func backingOf(disk *types.VirtualDisk) *types.VirtualDiskFlatVer2BackingInfo {
	backing, _ := disk.Backing.(*types.VirtualDiskFlatVer2BackingInfo)
	if backing == nil {
		return &types.VirtualDiskFlatVer2BackingInfo{}
	}
	return backing
}

func (w *worldState) hasDisk(vm *vmObject, key int32) bool {
	for _, disk := range disksOf(devicesOf(vm)) {
		if disk.Key == key {
			return true
		}
	}
	return false
}

// snapshotsOf gives the snapshots of a VM, in any order.
func snapshotsOf(vm *vmObject) []*snapshotObject {
	if vm.Snapshot == nil {
		return nil
	}
	var all []*snapshotObject
	var walk func([]types.VirtualMachineSnapshotTree)
	walk = func(trees []types.VirtualMachineSnapshotTree) {
		for _, tree := range trees {
			if s, ok := simulator.Map.Get(tree.Snapshot).(*snapshotObject); ok {
				all = append(all, s)
			}
			walk(tree.ChildSnapshotList)
		}
	}
	walk(vm.Snapshot.RootSnapshotList)
	return all
}

// namesInChain: the files of a disk, the leaf first.
func namesInChain(disk *types.VirtualDisk) []string {
	var names []string
	for b := backingOf(disk); b != nil; b = b.Parent {
		names = append(names, b.FileName)
	}
	return names
}

// diskForNfc is the rule of who may open what: a VM's disks, its snapshots'
// disks; nothing that a running VM or a child writes to or rests on, but to
// read below a snapshot.
func (w *worldState) diskForNfc(ref, name string, write bool) (string, error) {
	vm := w.vm(moRef{Type: "VirtualMachine", Value: ref})
	file, err := w.file(name)
	if vm == nil || err != nil {
		return "", refuse(errNotFound, "no such disk")
	}
	leaf, known := false, false
	for _, disk := range disksOf(devicesOf(vm)) {
		for i, each := range namesInChain(disk) {
			known = known || each == name
			leaf = leaf || each == name && i == 0
		}
	}
	for _, snapshot := range snapshotsOf(vm) {
		for _, disk := range disksOf(devicesOf(snapshot)) {
			for _, each := range namesInChain(disk) {
				known = known || each == name
			}
		}
	}
	switch {
	case !known:
		return "", refuse(errNotFound, "not a disk of this VM")
	case leaf && isOn(vm), !leaf && write:
		return "", refuse(errLocked, "the disk is in use")
	}
	return file, nil
}

// lockedFile: a running VM has the data of its leaves open for itself.
func (w *worldState) lockedFile(file string) bool {
	for _, vm := range w.allVMs() {
		if !isOn(vm) {
			continue
		}
		for _, disk := range disksOf(devicesOf(vm)) {
			leaf, err := w.file(backingOf(disk).FileName)
			if err != nil {
				continue
			}
			if d, err := readDescriptor(leaf); err == nil && d.extent == file {
				return true
			}
		}
	}
	return false
}

func (w *worldState) vms() fields {
	all := fields{}
	for _, vm := range w.allVMs() {
		disks := []fields{}
		for _, disk := range disksOf(devicesOf(vm)) {
			disks = append(disks, w.describe(disk))
		}
		all[vm.Name] = fields{"moref": vm.Self.Value, "uuid": vm.Config.Uuid,
			"instance_uuid": vm.Config.InstanceUuid,
			"vmx":           vm.Config.Files.VmPathName,
			"path":          inventoryPath(vm), "disks": disks}
	}
	return all
}

func (w *worldState) describe(disk *types.VirtualDisk) fields {
	backing := backingOf(disk)
	about := fields{"key": disk.Key, "path": backing.FileName,
		"capacity": disk.CapacityInBytes,
		"uuid":     strings.ReplaceAll(backing.Uuid, "-", "")}
	if file, err := w.file(backing.FileName); err == nil {
		if d, err := readDescriptor(file); err == nil {
			about["flat"] = d.extent
		}
	}
	return about
}

func (w *worldState) hostPath() string {
	return inventoryPath(simulator.Map.Get(w.hostRef).(mo.Entity))
}

// inventoryPath: names from the datacenter down, as FindByInventoryPath has it.
func inventoryPath(entity mo.Entity) string {
	text := ""
	at := entity
	for {
		entity := at.Entity()
		if entity.Parent == nil {
			return text
		}
		text = "/" + entity.Name + text
		next, ok := simulator.Map.Get(*entity.Parent).(mo.Entity)
		if !ok {
			return text
		}
		at = next
	}
}

// hostTicket gives a ticket out, with what the knobs want it to say.
func (w *worldState) hostTicket(t *ticket) types.HostServiceTicket {
	k := knobs.get()
	out := types.HostServiceTicket{
		Host: "127.0.0.1", Port: int32(w.authd),
		SslThumbprint: disguise(k.TicketThumbprint, w.hostDigest),
		Service:       t.service, ServiceVersion: "1.1",
		SessionId: tickets.issue(t),
	}
	if w.esx {
		out.Host = ""
	}
	if k.TicketHost != "" {
		out.Host = disguise(k.TicketHost, out.Host)
	}
	if k.TicketPort != "" {
		out.Port = 0
		fmt.Sscan(k.TicketPort, &out.Port)
	}
	return out
}

func mustExist(dir string) error {
	return os.MkdirAll(dir, 0o700)
}
