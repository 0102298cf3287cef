// SPDX-License-Identifier: BSD-3-Clause

package main

// What follows when a VM gets or loses disks: real files, true backings,
// controllers that exist, and the guest's side of it for the proxy.

import (
	"fmt"
	"os"

	"github.com/vmware/govmomi/vim25/types"
)

func aroundCreate(call *soapCall) func(moRef) {
	return func(task moRef) {
		if vm := world.vm(asReference(taskResult(task))); vm != nil {
			trouble(world.settle(vm, nil))
		}
	}
}

// aroundReconfigure notes what is asked for, for the log.
func aroundReconfigure(call *soapCall) func(moRef) {
	request, ok := call.body.(*types.ReconfigVM_Task)
	vm := world.vm(call.this)
	if !ok || vm == nil {
		return nil
	}
	noted := []string{}
	var props []string
	for _, change := range request.Spec.DeviceChange {
		spec := change.GetVirtualDeviceConfigSpec()
		disk, ok := spec.Device.(*types.VirtualDisk)
		if !ok {
			noted = append(noted, fmt.Sprintf("%s %T", spec.Operation,
				spec.Device))
			continue
		}
		noted = append(noted, fmt.Sprintf("%s disk %s", spec.Operation,
			backingOf(disk).FileName))
		if spec.FileOperation == types.VirtualDeviceConfigSpecFileOperationDestroy {
			call.note["destroys"] = true
		}
		if spec.Operation == types.VirtualDeviceConfigSpecOperationAdd {
			props = append(props, prop(backingOf(disk).FileName)...)
		}
	}
	call.note["changes"] = noted
	before := devicesOf(vm)
	keys := map[int32]bool{}
	for _, device := range before {
		keys[device.GetVirtualDevice().Key] = true
	}
	old := disksOf(before)
	return func(moRef) {
		for _, path := range props {
			os.Remove(path)
		}
		adopt(vm, request.Spec.DeviceChange, keys)
		trouble(world.settle(vm, old))
	}
}

// prop puts an empty flat file beside a redo log: without it the simulator does
// not find the disk.  The path of what has to go again.
func prop(name string) []string {
	path, err := world.file(name)
	if err != nil {
		return nil
	}
	d, err := readDescriptor(path)
	flat := extentName(path, "-flat.vmdk")
	if err != nil || !d.sparse || os.WriteFile(flat, nil, 0o600) != nil {
		return nil
	}
	return []string{flat}
}

// adopt gives disks that came together with their controller, by a key made up
// for the request, that controller's real key.
func adopt(vm *vmObject, asked []types.BaseVirtualDeviceConfigSpec,
	before map[int32]bool) {
	var made []int32
	for _, device := range devicesOf(vm) {
		key := device.GetVirtualDevice().Key
		if _, ok := device.(types.BaseVirtualController); ok && !before[key] {
			made = append(made, key)
		}
	}
	names := map[int32]int32{}
	for _, change := range asked {
		spec := change.GetVirtualDeviceConfigSpec()
		_, ok := spec.Device.(types.BaseVirtualController)
		if ok && len(made) > 0 &&
			spec.Operation == types.VirtualDeviceConfigSpecOperationAdd {
			names[askedKey(spec)] = made[0]
			made = made[1:]
		}
	}
	for _, disk := range disksOf(devicesOf(vm)) {
		if key, ok := names[disk.ControllerKey]; ok {
			disk.ControllerKey = key
		}
	}
}

func askedKey(spec *types.VirtualDeviceConfigSpec) int32 {
	return spec.Device.GetVirtualDevice().Key
}

// settle makes files and backings true after a change; old are the disks from
// before.
func (w *worldState) settle(vm *vmObject, old []*types.VirtualDisk) error {
	var devices []types.BaseVirtualDevice
	had := map[int32]*types.VirtualDisk{}
	for _, disk := range old {
		had[disk.Key] = disk
	}
	var came []*types.VirtualDisk
	for _, device := range devicesOf(vm) {
		if disk, ok := device.(*types.VirtualDisk); ok {
			fresh := had[disk.Key] == nil
			delete(had, disk.Key)
			new, err := w.settleDisk(disk)
			if err != nil {
				return err
			}
			if fresh {
				came = append(came, new)
			}
			device = new
		}
		devices = append(devices, device)
	}
	fillControllers(devices)
	setProperty(vm, "config.hardware.device", devices)
	if guest == nil || vm.Name != w.proxy {
		return nil
	}
	for key := range had {
		w.takeFromGuest(guest.detach(key))
	}
	for _, device := range devices {
		if c, ok := device.(types.BaseVirtualSCSIController); ok {
			guest.addHost(int(c.GetVirtualSCSIController().BusNumber))
		}
	}
	w.showSlots(vm)
	for _, disk := range came {
		if err := w.giveToGuest(vm, disk); err != nil {
			return err
		}
	}
	return nil
}

// settleDisk makes the files of a disk that the simulator has left empty.
func (w *worldState) settleDisk(disk *types.VirtualDisk) (
	*types.VirtualDisk, error) {
	name := backingOf(disk).FileName
	path, err := w.file(name)
	if err != nil {
		return nil, err
	}
	if info, err := os.Stat(path); err == nil && info.Size() == 0 {
		size := disk.CapacityInBytes
		if size == 0 {
			size = disk.CapacityInKB * 1024
		}
		kind := "thick"
		if thin := backingOf(disk).ThinProvisioned; thin != nil && *thin {
			kind = "thin"
		}
		err := makeDisk(path, diskSpec{Capacity: size, Kind: kind})
		if err != nil {
			return nil, err
		}
	}
	return w.refresh(disk, name, backingOf(disk).ChangeId)
}

// fillControllers lists each controller's disks.
func fillControllers(devices []types.BaseVirtualDevice) {
	for _, device := range devices {
		c, ok := device.(types.BaseVirtualSCSIController)
		if !ok {
			continue
		}
		controller := c.GetVirtualSCSIController()
		controller.Device = nil
		for _, disk := range disksOf(devices) {
			if disk.ControllerKey == controller.Key {
				controller.Device = append(controller.Device, disk.Key)
			}
		}
	}
}

// showSlots notes the PCI slots of the SCSI controllers in the VM's settings.
func (w *worldState) showSlots(vm *vmObject) {
	settings := map[string]string{}
	for _, device := range devicesOf(vm) {
		if c, ok := device.(types.BaseVirtualSCSIController); ok {
			bus := c.GetVirtualSCSIController().BusNumber
			settings[fmt.Sprintf("scsi%d.pciSlotNumber", bus)] =
				fmt.Sprint(pciSlots[bus&3].slot)
		}
	}
	setExtra(vm, settings)
}

func setExtra(vm *vmObject, settings map[string]string) {
	var all []types.BaseOptionValue
	for _, option := range vm.Config.ExtraConfig {
		if _, ok := settings[option.GetOptionValue().Key]; !ok {
			all = append(all, option)
		}
	}
	for key, value := range settings {
		all = append(all, &types.OptionValue{Key: key, Value: value})
	}
	setProperty(vm, "config.extraConfig", all)
}

// giveToGuest has a disk appear in the proxy's tree: its own data if the disk is
// flat and stays, a copy if not.
func (w *worldState) giveToGuest(vm *vmObject, disk *types.VirtualDisk) error {
	bus := 0
	for _, device := range devicesOf(vm) {
		c, ok := device.(types.BaseVirtualSCSIController)
		if ok && device.GetVirtualDevice().Key == disk.ControllerKey {
			bus = int(c.GetVirtualSCSIController().BusNumber)
		}
	}
	unit := 0
	if disk.UnitNumber != nil {
		unit = int(*disk.UnitNumber)
	}
	path, err := w.file(backingOf(disk).FileName)
	if err != nil {
		return err
	}
	c, err := openChain(path)
	if err != nil {
		return err
	}
	defer c.close()
	mode := backingOf(disk).DiskMode
	d := &guestDisk{key: disk.Key, bus: bus & 3, unit: unit,
		path: backingOf(disk).FileName, file: c.links[0].extent,
		size: c.capacity(), uuid: guestID(backingOf(disk).Uuid),
		persistent: mode != "independent_nonpersistent"}
	d.scratch = c.links[0].sparse || !d.persistent
	if d.scratch {
		d.file, err = scratchCopy(c)
	}
	if err == nil {
		guest.attach(d)
	}
	return err
}

func guestID(uuid string) string {
	digits := ""
	for _, r := range uuid {
		if r != '-' {
			digits += string(r)
		}
	}
	if len(digits) != 32 {
		return uuidFor(uuid)
	}
	return digits
}

func scratchCopy(c *chain) (string, error) {
	file, err := os.CreateTemp(scratchDir, "hotadd-")
	if err != nil {
		return "", err
	}
	defer file.Close()
	if err := flatten(c, file); err != nil {
		return "", err
	}
	return file.Name(), file.Truncate(c.capacity())
}

// takeFromGuest writes back what a guest has written to a copy that is to be
// kept, and removes the copy.
func (w *worldState) takeFromGuest(d *guestDisk) {
	if d == nil || !d.scratch {
		return
	}
	if d.persistent {
		trouble(w.writeBack(d))
	}
	os.Remove(d.file)
}

func (w *worldState) writeBack(d *guestDisk) error {
	path, err := w.file(d.path)
	if err != nil {
		return err
	}
	c, err := openChain(path)
	if err != nil {
		return err
	}
	defer c.close()
	file, err := os.Open(d.file)
	if err != nil {
		return err
	}
	defer file.Close()
	is, was := make([]byte, sectorSize), make([]byte, sectorSize)
	for at := int64(0); at < c.capacity(); at += sectorSize {
		if _, err = file.ReadAt(is, at); err == nil {
			err = c.readAt(was, at)
		}
		if err == nil && string(is) != string(was) {
			err = c.writeAt(is, at)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// aroundFirstClass makes the files of a first class disk.
func aroundFirstClass(call *soapCall) func(moRef) {
	request, ok := call.body.(*types.CreateDisk_Task)
	if !ok {
		return nil
	}
	return func(task moRef) {
		var made types.VStorageObject
		switch result := taskResult(task).(type) {
		case types.VStorageObject:
			made = result
		case *types.VStorageObject:
			made = *result
		}
		backing, ok := made.Config.Backing.(*types.BaseConfigInfoDiskFileBackingInfo)
		if !ok {
			return
		}
		path, err := world.file(backing.FilePath)
		if err == nil {
			err = makeDisk(path, diskSpec{
				Capacity: request.Spec.CapacityInMB << 20})
		}
		trouble(err)
	}
}
