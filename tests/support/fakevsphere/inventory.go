// SPDX-License-Identifier: BSD-3-Clause

package main

// The inventory's making: names, datastore, virtual machines.

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/uuid"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/types"
)

type vmSpec struct {
	Name         string     `json:"name"`
	On           bool       `json:"on"`
	Cbt          bool       `json:"cbt"`
	Folder       string     `json:"folder"`
	UUID         string     `json:"uuid"`
	InstanceUUID string     `json:"instance_uuid"`
	EnableUUID   bool       `json:"enable_uuid"`
	Controller   string     `json:"controller"`
	Disks        []diskSpec `json:"disks"`
}

// uuid of the BIOS: the one that was asked for, or one from the name.
func (s *vmSpec) uuid() string {
	if s.UUID != "" {
		return s.UUID
	}
	return uuid.NewSHA1(uuid.NameSpaceOID, []byte(s.Name)).String()
}

var background = context.Background()

// apiVersion is none that a client would begin with.
const apiVersion = "7.0.3.1"

// build makes all but the virtual machines.
func (w *worldState) build(user, password string) error {
	w.model = simulator.VPX()
	if w.esx {
		w.model = simulator.ESX()
	}
	m := w.model
	m.ServiceContent.About.ApiVersion = apiVersion
	m.Machine, m.Portgroup, m.Cluster = 0, 0, 0
	m.Datastore = 1
	if err := m.Create(); err != nil {
		return err
	}
	m.Service.Listen = &url.URL{Host: "127.0.0.1:0",
		User: url.UserPassword(user, password)}
	m.Service.ServeMux = http.NewServeMux()
	m.Service.NewServer()
	datacenter := simulator.Map.Any("Datacenter").(*simulator.Datacenter)
	datastore := simulator.Map.Any("Datastore").(*simulator.Datastore)
	host := simulator.Map.Any("HostSystem").(*simulator.HostSystem)
	w.datacenterRef = datacenter.Self
	w.datastoreRef = datastore.Self
	w.hostRef = host.Self
	if w.esx {
		w.datacenter = datacenter.Name
		// The simulator's host names one that is not there, too.
		datacenter.Datastore = []moRef{datastore.Self}
	}
	datacenter.Name = w.datacenter
	datastore.Name, datastore.Summary.Name = w.datastore, w.datastore
	datastore.Summary.Url = w.dir
	if w.vmfs.UUID != "" {
		datastore.Info = w.vmfs.info()
	}
	info := datastore.Info.GetDatastoreInfo()
	info.Name, info.Url = w.datastore, w.dir
	if w.host != "" {
		host.Name, host.Summary.Config.Name = w.host, w.host
	}
	w.host = host.Name
	return mustExist(w.dir)
}

// client talks to the simulator from inside.
func (w *worldState) client() (*vim25.Client, error) {
	return vim25.NewClient(background, w.model.Service)
}

// createVM has the simulator make a virtual machine.
func (w *worldState) createVM(folder, pool moRef,
	spec types.VirtualMachineConfigSpec) (*vmObject, error) {
	client, err := w.client()
	if err != nil {
		return nil, err
	}
	task, err := object.NewFolder(client, folder).CreateVM(background, spec,
		object.NewResourcePool(client, pool),
		object.NewHostSystem(client, w.hostRef))
	if err != nil {
		return nil, err
	}
	info, err := task.WaitForResult(background, nil)
	if err != nil {
		return nil, err
	}
	return w.vm(asReference(info.Result)), nil
}

func (w *worldState) destroyVM(vm *vmObject) error {
	client, err := w.client()
	if err != nil {
		return err
	}
	task, err := object.NewVirtualMachine(client, vm.Self).Destroy(background)
	if err == nil {
		err = task.Wait(background)
	}
	return err
}

// folderFor makes the folders of a path below the datacenter's VM folder.
func (w *worldState) folderFor(names string) (moRef, error) {
	datacenter := simulator.Map.Get(w.datacenterRef).(*simulator.Datacenter)
	at := datacenter.VmFolder
	if names == "" {
		return at, nil
	}
	client, err := w.client()
	for _, name := range strings.Split(names, "/") {
		if err != nil {
			break
		}
		parent := simulator.Map.Get(at).(*simulator.Folder)
		if found := simulator.Map.FindByName(name, parent.ChildEntity); found != nil {
			at = found.Reference()
			continue
		}
		var made *object.Folder
		made, err = object.NewFolder(client, at).CreateFolder(background, name)
		if err == nil {
			at = made.Reference()
		}
	}
	return at, err
}

func controllerFor(kind string) (types.BaseVirtualDevice, error) {
	scsi := types.VirtualSCSIController{
		SharedBus:          types.VirtualSCSISharingNoSharing,
		ScsiCtlrUnitNumber: 7, HotAddRemove: types.NewBool(true)}
	scsi.Key = 1000
	switch kind {
	case "", "pvscsi":
		return &types.ParaVirtualSCSIController{VirtualSCSIController: scsi}, nil
	case "lsilogic":
		return &types.VirtualLsiLogicController{VirtualSCSIController: scsi}, nil
	case "lsisas":
		return &types.VirtualLsiLogicSASController{
			VirtualSCSIController: scsi}, nil
	case "buslogic":
		return &types.VirtualBusLogicController{VirtualSCSIController: scsi}, nil
	}
	return nil, fmt.Errorf("no controller %q", kind)
}

// addVM makes a virtual machine and its disks.
func (w *worldState) addVM(spec vmSpec) error {
	spec.UUID = spec.uuid()
	if spec.InstanceUUID == "" {
		spec.InstanceUUID = uuid.NewSHA1(uuid.NameSpaceDNS,
			[]byte(spec.Name)).String()
	}
	controller, err := controllerFor(spec.Controller)
	if err != nil {
		return err
	}
	folder, err := w.folderFor(spec.Folder)
	if err != nil {
		return err
	}
	pool := simulator.Map.Any("ResourcePool").Reference()
	vm, err := w.createVM(folder, pool, types.VirtualMachineConfigSpec{
		Name: spec.Name, GuestId: "otherGuest", Uuid: spec.UUID,
		InstanceUuid:          spec.InstanceUUID,
		ChangeTrackingEnabled: types.NewBool(spec.Cbt),
		Files: &types.VirtualMachineFileInfo{
			VmPathName: "[" + w.datastore + "]"},
		DeviceChange: []types.BaseVirtualDeviceConfigSpec{
			&types.VirtualDeviceConfigSpec{
				Operation: types.VirtualDeviceConfigSpecOperationAdd,
				Device:    controller}},
	})
	if err != nil {
		return fmt.Errorf("%s: %w", spec.Name, err)
	}
	if spec.EnableUUID {
		setExtra(vm, map[string]string{"disk.EnableUUID": "TRUE"})
	}
	if err := w.addDisks(vm, spec); err != nil {
		return fmt.Errorf("%s: %w", spec.Name, err)
	}
	if spec.On {
		err = w.power(spec.Name, true)
	}
	return err
}

// addDisks makes the files and has the VM know them.
func (w *worldState) addDisks(vm *vmObject, spec vmSpec) error {
	vmx, err := w.file(vm.Config.Files.VmPathName)
	if err != nil {
		return err
	}
	devices := devicesOf(vm)
	for i, each := range spec.Disks {
		if each.Name == "" {
			each.Name = spec.Name + ".vmdk"
			if i > 0 {
				each.Name = fmt.Sprintf("%s_%d.vmdk", spec.Name, i)
			}
		}
		path := filepath.Join(filepath.Dir(vmx), each.Name)
		if err := makeDisk(path, each); err != nil {
			return err
		}
		if vm.Config.ChangeTrackingEnabled != nil && spec.Cbt {
			changes.track(path, uuid.New().String())
		}
		disk, err := w.deviceFor(path, int32(2000+i), unitFor(i), spec.Cbt)
		if err != nil {
			return err
		}
		devices = append(devices, disk)
	}
	setProperty(vm, "config.hardware.device", devices)
	return w.settle(vm, nil)
}

// unitFor leaves the controller's own one out.
func unitFor(i int) int32 {
	if i >= 7 {
		i++
	}
	return int32(i)
}

func (w *worldState) deviceFor(path string, key, unit int32, cbt bool) (
	*types.VirtualDisk, error) {
	disk := &types.VirtualDisk{}
	disk.Key, disk.ControllerKey, disk.UnitNumber = key, 1000, &unit
	disk.DeviceInfo = &types.Description{
		Label:   fmt.Sprintf("Hard disk %d", key-1999),
		Summary: filepath.Base(path)}
	disk.Backing = &types.VirtualDiskFlatVer2BackingInfo{DiskMode: "persistent"}
	id := ""
	if cbt {
		id = changes.current(path)
	}
	return w.refresh(disk, w.named(path), id)
}

// remove takes away what the simulator and we have put on disk.
func (w *worldState) remove(root string, ours bool) {
	w.model.Remove()
	os.RemoveAll(w.dir)
	os.RemoveAll(scratchDir)
	if ours {
		os.RemoveAll(root)
	} else {
		os.Remove(root) // if nobody else has put anything there
	}
}
