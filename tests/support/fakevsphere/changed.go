// SPDX-License-Identifier: BSD-3-Clause

package main

// QueryChangedDiskAreas.

import (
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

func badArgument(name, text string) error {
	return fault(&types.InvalidArgument{InvalidProperty: name}, "%s", text)
}

func queryChanged(_ *front, call *soapCall) ([]interface{}, error) {
	request := call.body.(*types.QueryChangedDiskAreas)
	call.note["changeId"] = request.ChangeId
	vm := world.vm(call.this)
	if vm == nil {
		return nil, fault(&types.ManagedObjectNotFound{Obj: call.this},
			"no such VM")
	}
	if vm.Config.ChangeTrackingEnabled == nil || !*vm.Config.ChangeTrackingEnabled {
		return nil, fault(&types.FileFault{}, "changes are not tracked")
	}
	devices, until := devicesOf(vm), ""
	if request.Snapshot != nil {
		snapshot, ok := simulator.Map.Get(*request.Snapshot).(*snapshotObject)
		if !ok {
			return nil, fault(&types.ManagedObjectNotFound{
				Obj: *request.Snapshot}, "no such snapshot")
		}
		devices = devicesOf(snapshot)
	}
	disk := diskWithKey(devices, request.DeviceKey)
	if disk.Key == 0 {
		return nil, badArgument("deviceKey", "no such disk")
	}
	if request.StartOffset < 0 || request.StartOffset >= disk.CapacityInBytes {
		return nil, badArgument("startOffset", "behind the end")
	}
	if request.Snapshot != nil {
		until = backingOf(disk).ChangeId
	}
	file, err := world.file(backingOf(disk).FileName)
	if err != nil {
		return nil, err
	}
	c, err := openChain(file)
	if err != nil {
		return nil, err
	}
	defer c.close()
	all := storedAreas(c)
	if request.ChangeId != "*" {
		all, err = changes.since(c.base(), request.ChangeId, until)
		if err != nil {
			return nil, badArgument("changeId", err.Error())
		}
	}
	return []interface{}{part(all, request.StartOffset, c.capacity())}, nil
}

func storedAreas(c *chain) []area {
	var all []area
	for at := int64(0); at < c.capacity(); at += changeGrain {
		n := c.capacity() - at
		if n > changeGrain {
			n = changeGrain
		}
		if c.allocated(at, n) {
			all = append(all, area{at, n})
		}
	}
	return merged(all)
}

// part gives what lies from start on, as far as one answer goes.
func part(all []area, start, end int64) types.DiskChangeInfo {
	if span := knobs.get().ChangedSpan; span > 0 && span < end-start {
		end = start + span
	}
	info := types.DiskChangeInfo{StartOffset: start, Length: end - start}
	for _, a := range all {
		from, to := a.start, a.start+a.length
		if from < start {
			from = start
		}
		if to > end {
			to = end
		}
		if from < to {
			info.ChangedArea = append(info.ChangedArea,
				types.DiskChangeExtent{Start: from, Length: to - from})
		}
	}
	return info
}
