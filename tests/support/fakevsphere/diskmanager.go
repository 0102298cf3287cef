// SPDX-License-Identifier: BSD-3-Clause

package main

// VirtualDiskManager, with real files.

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/vmware/govmomi/vim25/types"
)

// managed runs one of the tasks.
func managed(_ *front, call *soapCall) ([]interface{}, error) {
	task := startTask(call.this, call.op, func() (interface{}, error) {
		switch r := call.body.(type) {
		case *types.CreateVirtualDisk_Task:
			return createDisk(r)
		case *types.CopyVirtualDisk_Task:
			return nil, copyDisk(r)
		case *types.MoveVirtualDisk_Task:
			return nil, moveDisk(r)
		case *types.DeleteVirtualDisk_Task:
			return nil, deleteDisk(r)
		case *types.ExtendVirtualDisk_Task:
			return nil, extendDisk(r)
		case *types.ShrinkVirtualDisk_Task:
			return nil, shrinkDisk(r.Name, r.Datacenter)
		case *types.DefragmentVirtualDisk_Task:
			_, err := existing(r.Name, r.Datacenter)
			return nil, err
		case *types.InflateVirtualDisk_Task:
			return nil, thicken(r.Name, r.Datacenter, false)
		case *types.EagerZeroVirtualDisk_Task:
			return nil, thicken(r.Name, r.Datacenter, false)
		case *types.ZeroFillVirtualDisk_Task:
			return nil, thicken(r.Name, r.Datacenter, true)
		}
		return nil, fault(&types.NotImplemented{}, "%s", call.op)
	})
	return []interface{}{task}, nil
}

// place finds where a name leads; vCenter wants to know the datacenter, too.
func place(name string, datacenter *moRef) (string, error) {
	if !world.esx && (datacenter == nil || *datacenter != world.datacenterRef) {
		return "", fault(&types.InvalidArgument{InvalidProperty: "datacenter"},
			"the datacenter is missing")
	}
	return world.file(name)
}

func notFound(name string) error {
	return fault(&types.FileNotFound{FileFault: types.FileFault{File: name}},
		"File %s was not found", name)
}

// existing finds a disk that is not in use by a running VM.
func existing(name string, datacenter *moRef) (string, error) {
	path, err := place(name, datacenter)
	if err != nil {
		return "", err
	}
	d, err := readDescriptor(path)
	if err != nil {
		return "", notFound(name)
	}
	if world.lockedFile(d.extent) {
		return "", fault(&types.FileLocked{
			FileFault: types.FileFault{File: name}},
			"Unable to access file %s since it is locked", name)
	}
	return path, nil
}

// free finds the place for a disk that is not there yet.
func free(name string, datacenter *moRef, force bool) (string, error) {
	path, err := place(name, datacenter)
	if err != nil {
		return "", err
	}
	if !strings.HasSuffix(path, ".vmdk") {
		return "", fault(&types.InvalidArgument{InvalidProperty: "name"},
			"not the name of a disk")
	}
	if _, err := os.Stat(filepath.Dir(path)); err != nil {
		return "", notFound(name)
	}
	if _, err := os.Stat(path); err == nil && !force {
		return "", fault(&types.FileAlreadyExists{
			FileFault: types.FileFault{File: name}},
			"File %s already exists", name)
	}
	return path, nil
}

// ends finds the disk that is copied or moved, and the place for the other one,
// which is in the same datacenter unless it is said.
func ends(source string, sourceDatacenter *moRef, dest string,
	destDatacenter *moRef, force *bool) (string, string, error) {
	from, err := existing(source, sourceDatacenter)
	if err != nil {
		return "", "", err
	}
	if destDatacenter == nil {
		destDatacenter = sourceDatacenter
	}
	to, err := free(dest, destDatacenter, force != nil && *force)
	return from, to, err
}

var kinds = map[string]string{"thin": "thin", "preallocated": "thick",
	"thick": "thick", "eagerZeroedThick": "eager"}

func createDisk(r *types.CreateVirtualDisk_Task) (interface{}, error) {
	spec, ok := r.Spec.(*types.FileBackedVirtualDiskSpec)
	if !ok || spec.CapacityKb <= 0 || kinds[spec.DiskType] == "" {
		return nil, fault(&types.InvalidArgument{InvalidProperty: "spec"},
			"not a disk that can be made")
	}
	path, err := free(r.Name, r.Datacenter, false)
	if err != nil {
		return nil, err
	}
	adapter := map[string]string{"busLogic": "buslogic", "ide": "ide"}
	ddb := map[string]string{"adapterType": "lsilogic"}
	if name := adapter[spec.AdapterType]; name != "" {
		ddb["adapterType"] = name
	}
	return r.Name, makeDisk(path, diskSpec{Capacity: spec.CapacityKb * 1024,
		Kind: kinds[spec.DiskType], Ddb: ddb})
}

// copyDisk makes one flat disk of a chain.
func copyDisk(r *types.CopyVirtualDisk_Task) error {
	from, to, err := ends(r.SourceName, r.SourceDatacenter, r.DestName,
		r.DestDatacenter, r.Force)
	if err != nil {
		return err
	}
	c, err := openChain(from)
	if err != nil {
		return err
	}
	defer c.close()
	spec := diskSpec{Capacity: c.capacity(),
		Ddb: map[string]string{"adapterType": c.ddb("adapterType")}}
	if r.DestSpec != nil {
		spec.Kind = kinds[r.DestSpec.GetVirtualDiskSpec().DiskType]
	}
	if err := makeDisk(to, spec); err != nil {
		return err
	}
	out, err := os.OpenFile(extentName(to, "-flat.vmdk"), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer out.Close()
	return flatten(c, out)
}

// flatten writes all that a disk holds, zeros left out.
func flatten(c *chain, out *os.File) error {
	buffer := make([]byte, grainBytes)
	for at := int64(0); at < c.capacity(); at += grainBytes {
		data := buffer
		if left := c.capacity() - at; left < grainBytes {
			data = buffer[:left]
		}
		if err := c.readAt(data, at); err != nil {
			return err
		}
		if allZero(data) {
			continue
		}
		if _, err := out.WriteAt(data, at); err != nil {
			return err
		}
	}
	return nil
}

func moveDisk(r *types.MoveVirtualDisk_Task) error {
	from, to, err := ends(r.SourceName, r.SourceDatacenter, r.DestName,
		r.DestDatacenter, r.Force)
	if err != nil {
		return err
	}
	d, err := readDescriptor(from)
	if err != nil {
		return err
	}
	if d.parent != "" {
		return fault(&types.NotSupported{}, "the disk has a parent")
	}
	extent := extentName(to, "-flat.vmdk")
	if err := os.Rename(d.extent, extent); err != nil {
		return err
	}
	text := strings.Replace(d.text, `"`+filepath.Base(d.extent)+`"`,
		`"`+filepath.Base(extent)+`"`, 1)
	if err := os.WriteFile(to, []byte(text), 0o600); err != nil {
		return err
	}
	return os.Remove(from)
}

func deleteDisk(r *types.DeleteVirtualDisk_Task) error {
	path, err := existing(r.Name, r.Datacenter)
	if err != nil {
		return err
	}
	return removeDisk(path)
}

// ownFlat finds a disk that has no parent: others cannot be changed so.
func ownFlat(name string, datacenter *moRef) (string, *descriptor, error) {
	path, err := existing(name, datacenter)
	if err != nil {
		return "", nil, err
	}
	d, err := readDescriptor(path)
	if err == nil && d.sparse {
		err = fault(&types.InvalidState{}, "the disk has a parent")
	}
	return path, d, err
}

func extendDisk(r *types.ExtendVirtualDisk_Task) error {
	path, d, err := ownFlat(r.Name, r.Datacenter)
	if err != nil {
		return err
	}
	size := r.NewCapacityKb * 1024
	if size <= d.capacity {
		return fault(&types.InvalidArgument{InvalidProperty: "newCapacityKb"},
			"a disk does not shrink")
	}
	if err := os.Truncate(d.extent, size); err != nil {
		return err
	}
	line := extentLine.FindString(d.text)
	text := strings.Replace(d.text, line, fmt.Sprintf("RW %d VMFS \"%s\"",
		size/sectorSize, filepath.Base(d.extent)), 1)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return err
	}
	return world.resized(r.Name)
}

// resized has the VM that the disk belongs to know of its new capacity.
func (w *worldState) resized(name string) error {
	for _, vm := range w.allVMs() {
		for _, disk := range disksOf(devicesOf(vm)) {
			if backingOf(disk).FileName == name {
				return w.rename(vm, disk.Key, name, name)
			}
		}
	}
	return nil
}

// shrinkDisk gives back what is zero.
func shrinkDisk(name string, datacenter *moRef) error {
	path, d, err := ownFlat(name, datacenter)
	if err != nil {
		return err
	}
	if d.ddb["thinProvisioned"] != "1" {
		return fault(&types.NotSupported{}, "not a thin disk")
	}
	part := path + ".part"
	out, err := os.OpenFile(part, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	if _, err := copySparse(out, d.extent); err != nil {
		return err
	}
	if err := out.Truncate(d.capacity); err != nil {
		return err
	}
	return os.Rename(part, d.extent)
}

// thicken stores all of a disk; what it held stays, or is zero afterwards.
func thicken(name string, datacenter *moRef, clear bool) error {
	path, d, err := ownFlat(name, datacenter)
	if err != nil {
		return err
	}
	file, err := os.OpenFile(d.extent, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	buffer := make([]byte, grainBytes)
	for at := int64(0); at < d.capacity; at += grainBytes {
		data := buffer
		if left := d.capacity - at; left < grainBytes {
			data = buffer[:left]
		}
		if !clear {
			if _, err := file.ReadAt(data, at); err != nil {
				return err
			}
		}
		if _, err := file.WriteAt(data, at); err != nil {
			return err
		}
	}
	text := strings.Replace(d.text, "ddb.thinProvisioned = \"1\"\n", "", 1)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return err
	}
	return world.resized(name)
}

func diskUUID(_ *front, call *soapCall) ([]interface{}, error) {
	r := call.body.(*types.QueryVirtualDiskUuid)
	path, err := existing(r.Name, r.Datacenter)
	if err != nil {
		return nil, err
	}
	d, err := readDescriptor(path)
	if err != nil {
		return nil, err
	}
	return []interface{}{d.ddb["uuid"]}, nil
}

func setDiskUUID(_ *front, call *soapCall) ([]interface{}, error) {
	r := call.body.(*types.SetVirtualDiskUuid)
	path, d, err := ownFlat(r.Name, r.Datacenter)
	if err != nil {
		return nil, err
	}
	if uuidInBacking(r.Uuid) == "" {
		return nil, badArgument("uuid", "no UUID")
	}
	text := strings.Replace(d.text, `"`+d.ddb["uuid"]+`"`, `"`+r.Uuid+`"`, 1)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return nil, err
	}
	return nil, world.resized(r.Name)
}

func diskFragmentation(_ *front, call *soapCall) ([]interface{}, error) {
	r := call.body.(*types.QueryVirtualDiskFragmentation)
	_, err := existing(r.Name, r.Datacenter)
	return []interface{}{int32(0)}, err
}

func diskGeometry(_ *front, call *soapCall) ([]interface{}, error) {
	r := call.body.(*types.QueryVirtualDiskGeometry)
	path, err := existing(r.Name, r.Datacenter)
	if err != nil {
		return nil, err
	}
	d, err := readDescriptor(path)
	if err != nil {
		return nil, err
	}
	var g types.HostDiskDimensionsChs
	fmt.Sscan(d.ddb["geometry.cylinders"], &g.Cylinder)
	fmt.Sscan(d.ddb["geometry.heads"], &g.Head)
	fmt.Sscan(d.ddb["geometry.sectors"], &g.Sector)
	return []interface{}{g}, nil
}
