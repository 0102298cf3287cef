// SPDX-License-Identifier: BSD-3-Clause

package main

// What is told of a datastore that is a volume on LUNs.

import (
	"encoding/json"

	"github.com/vmware/govmomi/vim25/types"
)

type vmfsSpec struct {
	UUID  string   `json:"uuid"`
	Disks []string `json:"disks"`
}

func (v *vmfsSpec) String() string {
	return ""
}

func (v *vmfsSpec) Set(text string) error {
	return json.Unmarshal([]byte(text), v)
}

func (v *vmfsSpec) info() *types.VmfsDatastoreInfo {
	volume := &types.HostVmfsVolume{BlockSizeMb: 1, MajorVersion: 6,
		Version: "6.82", Uuid: v.UUID}
	volume.Type = "VMFS"
	for _, name := range v.Disks {
		volume.Extent = append(volume.Extent,
			types.HostScsiDiskPartition{DiskName: name, Partition: 1})
	}
	return &types.VmfsDatastoreInfo{Vmfs: volume}
}
