// SPDX-License-Identifier: BSD-3-Clause

package main

// What snapshots do to disks: a redo log on top when one is made, a merge when
// one is removed.

import (
	"os"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// taskResult gives what a finished task has returned.
func taskResult(ref moRef) interface{} {
	task, ok := simulator.Map.Get(ref).(*simulator.Task)
	if !ok || task.Info.State != types.TaskInfoStateSuccess {
		return nil
	}
	return task.Info.Result
}

func asReference(value interface{}) moRef {
	switch v := value.(type) {
	case moRef:
		return v
	case *moRef:
		return *v
	}
	return moRef{}
}

// trouble notes what went wrong in a hook, where no client can be told.
func trouble(err error) {
	if err != nil {
		events.add("trouble", fields{"why": err.Error()})
	}
}

func aroundSnapshot(call *soapCall) func(moRef) {
	request, ok := call.body.(*types.CreateSnapshot_Task)
	if !ok {
		return nil
	}
	call.note["name"] = request.Name
	call.note["quiesce"] = request.Quiesce
	return func(task moRef) {
		ref := asReference(taskResult(task))
		snapshot, ok := simulator.Map.Get(ref).(*snapshotObject)
		vm := world.vm(call.this)
		if ok && vm != nil {
			trouble(world.freeze(vm, snapshot))
		}
	}
}

// freeze puts a redo log on each of the VM's disks; the snapshot keeps the disks
// as they are.
func (w *worldState) freeze(vm *vmObject, snapshot *snapshotObject) error {
	var frozen, running []types.BaseVirtualDevice
	for _, device := range devicesOf(vm) {
		disk, ok := device.(*types.VirtualDisk)
		if !ok || isIndependent(disk) {
			frozen, running = append(frozen, device), append(running, device)
			continue
		}
		name := backingOf(disk).FileName
		file, err := w.file(name)
		if err != nil {
			return err
		}
		base, err := baseOf(file)
		if err != nil {
			return err
		}
		id := changes.snapshot(base)
		delta, err := makeDelta(file)
		if err != nil {
			return err
		}
		old, err := w.refresh(disk, name, id)
		if err != nil {
			return err
		}
		new, err := w.refresh(disk, w.named(delta), id)
		if err != nil {
			return err
		}
		frozen, running = append(frozen, old), append(running, new)
	}
	withLock(snapshot, func() { snapshot.Config.Hardware.Device = frozen })
	setProperty(vm, "config.hardware.device", running)
	return nil
}

func isIndependent(disk *types.VirtualDisk) bool {
	return len(backingOf(disk).DiskMode) > 12 &&
		backingOf(disk).DiskMode[:12] == "independent_"
}

func baseOf(file string) (string, error) {
	c, err := openChain(file)
	if err != nil {
		return "", err
	}
	defer c.close()
	return c.base(), nil
}

// aroundRemoval: one snapshot goes, or all of a VM.
func aroundRemoval(call *soapCall) func(moRef) {
	vm := world.vm(call.this)
	if snapshot, ok := simulator.Map.Get(call.this).(*snapshotObject); ok {
		vm = world.vm(snapshot.Vm)
	}
	return func(task moRef) {
		if vm != nil {
			trouble(world.consolidate(vm))
		}
	}
}

// consolidate merges every redo log whose parent no snapshot needs any more.
func (w *worldState) consolidate(vm *vmObject) error {
	for _, disk := range disksOf(devicesOf(vm)) {
		for merged := true; merged; {
			var err error
			if merged, err = w.mergeOne(vm, disk.Key); err != nil {
				return err
			}
		}
	}
	return nil
}

// mergeOne merges one link of a disk into its parent; false: none may be.
func (w *worldState) mergeOne(vm *vmObject, key int32) (bool, error) {
	names := namesInChain(diskWithKey(devicesOf(vm), key))
	for i := 1; i < len(names); i++ {
		if needed(vm, key, names[i], names[i-1]) {
			continue
		}
		child, err := w.file(names[i-1])
		if err == nil {
			err = mergeDown(child)
		}
		if err == nil && i > 1 {
			var above string
			if above, err = w.file(names[i-2]); err == nil {
				err = reparent(above, child)
			}
		}
		if err == nil {
			err = removeDisk(child)
		}
		if err == nil {
			err = w.rename(vm, key, names[i-1], names[i])
		}
		return true, err
	}
	return false, nil
}

func diskWithKey(devices []types.BaseVirtualDevice,
	key int32) *types.VirtualDisk {
	for _, disk := range disksOf(devices) {
		if disk.Key == key {
			return disk
		}
	}
	return &types.VirtualDisk{}
}

// needed: a snapshot has the parent as its leaf, or below another child.
func needed(vm *vmObject, key int32, parent, child string) bool {
	for _, snapshot := range snapshotsOf(vm) {
		above := ""
		disk := diskWithKey(devicesOf(snapshot), key)
		for _, name := range namesInChain(disk) {
			if name == parent && above != child {
				return true
			}
			above = name
		}
	}
	return false
}

// mergeDown writes a redo log's sectors into its parent.
func mergeDown(path string) error {
	c, err := openChain(path)
	if err != nil {
		return err
	}
	defer c.close()
	leaf, below := &c.links[0], &chain{links: c.links[1:]}
	return leaf.each(0, c.capacity(), func(at, n, place int64) error {
		if place < 0 {
			return nil
		}
		data := make([]byte, n)
		if _, err := leaf.file.ReadAt(data, place); err != nil {
			return err
		}
		return below.store(data, at)
	})
}

// reparent has a redo log rest on its parent's parent.
func reparent(path, parent string) error {
	old, err := readDescriptor(parent)
	if err != nil {
		return err
	}
	d, err := readDescriptor(path)
	if err != nil {
		return err
	}
	grand, err := readDescriptor(old.parent)
	if err != nil {
		return err
	}
	text := replaceParent(d.text, old.parent,
		cidLine.FindStringSubmatch(grand.text)[1])
	return os.WriteFile(path, []byte(text), 0o600)
}

// rename gives the VM and its snapshots the disk's new file, and new chains.
func (w *worldState) rename(vm *vmObject, key int32, from, to string) error {
	fix := func(devices []types.BaseVirtualDevice) (
		[]types.BaseVirtualDevice, error) {
		var fixed []types.BaseVirtualDevice
		for _, device := range devices {
			disk, ok := device.(*types.VirtualDisk)
			if ok && disk.Key == key {
				name := backingOf(disk).FileName
				if name == from {
					name = to
				}
				new, err := w.refresh(disk, name, backingOf(disk).ChangeId)
				if err != nil {
					return nil, err
				}
				device = new
			}
			fixed = append(fixed, device)
		}
		return fixed, nil
	}
	for _, snapshot := range snapshotsOf(vm) {
		fixed, err := fix(devicesOf(snapshot))
		if err != nil {
			return err
		}
		withLock(snapshot, func() { snapshot.Config.Hardware.Device = fixed })
	}
	fixed, err := fix(devicesOf(vm))
	if err == nil {
		setProperty(vm, "config.hardware.device", fixed)
	}
	return err
}

// aroundRevert: the running disks are thrown away for new redo logs on top of
// the snapshot's.
func aroundRevert(call *soapCall) func(moRef) {
	return func(moRef) {
		snapshot, ok := simulator.Map.Get(call.this).(*snapshotObject)
		if !ok {
			return
		}
		if vm := world.vm(snapshot.Vm); vm != nil {
			trouble(world.revert(vm, snapshot))
		}
	}
}

func (w *worldState) revert(vm *vmObject, snapshot *snapshotObject) error {
	var running []types.BaseVirtualDevice
	for _, device := range devicesOf(vm) {
		disk, ok := device.(*types.VirtualDisk)
		frozen := &types.VirtualDisk{}
		if ok {
			frozen = diskWithKey(devicesOf(snapshot), disk.Key)
		}
		if frozen.Key == 0 || isIndependent(disk) {
			running = append(running, device)
			continue
		}
		file, err := w.file(backingOf(frozen).FileName)
		if err != nil {
			return err
		}
		delta, err := makeDelta(file)
		if err != nil {
			return err
		}
		old, err := w.file(backingOf(disk).FileName)
		if err == nil {
			err = removeDisk(old)
		}
		if err != nil {
			return err
		}
		new, err := w.refresh(disk, w.named(delta), backingOf(frozen).ChangeId)
		if err != nil {
			return err
		}
		running = append(running, new)
	}
	setProperty(vm, "config.hardware.device", running)
	return nil
}
