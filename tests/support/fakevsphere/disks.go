// SPDX-License-Identifier: BSD-3-Clause

package main

// Making and changing disks on the datastore: a descriptor and its data.

import (
	"crypto/sha1"
	"fmt"
	"io"
	"math/rand"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"syscall"

	"github.com/vmware/govmomi/vim25/types"
)

// diskSpec is a disk in the flag -vm.
type diskSpec struct {
	Name     string            `json:"name"`
	Content  string            `json:"content"`
	Capacity int64             `json:"capacity"`
	Kind     string            `json:"kind"`
	UUID     string            `json:"uuid"`
	Ddb      map[string]string `json:"ddb"`
}

// uuidFor makes one, as VMware's look, from a text.
func uuidFor(text string) string {
	sum := sha1.Sum([]byte(text))
	return fmt.Sprintf("6000c29%x", sum[:13])[:32]
}

// uuidInDdb writes it as descriptors have it.
func uuidInDdb(uuid string) string {
	var pairs []string
	for i := 0; i+2 <= len(uuid); i += 2 {
		pairs = append(pairs, uuid[i:i+2])
	}
	return strings.ToUpper(strings.Join(pairs[:8], " ") + "-" +
		strings.Join(pairs[8:], " "))
}

// uuidInBacking: 8-4-4-4-12 digits.
func uuidInBacking(ddb string) string {
	u := strings.ToLower(strings.NewReplacer(" ", "", "-", "").Replace(ddb))
	if len(u) != 32 {
		return ""
	}
	return u[:8] + "-" + u[8:12] + "-" + u[12:16] + "-" + u[16:20] + "-" + u[20:]
}

func extentName(path, suffix string) string {
	return strings.TrimSuffix(path, ".vmdk") + suffix
}

// writeFlatDescriptor makes the text file for a flat disk.
func writeFlatDescriptor(path string, spec *diskSpec) error {
	count := sectors(spec.Capacity)
	ddb := map[string]string{
		"adapterType":        "lsilogic",
		"geometry.cylinders": fmt.Sprint((count + 16064) / 16065),
		"geometry.heads":     "255",
		"geometry.sectors":   "63",
		"longContentID":      fmt.Sprintf("%032x", rand.Uint64()),
		"uuid":               uuidInDdb(spec.UUID),
		"virtualHWVersion":   "13",
	}
	if spec.Kind == "thin" || spec.Kind == "" {
		ddb["thinProvisioned"] = "1"
	}
	for key, value := range spec.Ddb {
		ddb[key] = value
	}
	extent := filepath.Base(extentName(path, "-flat.vmdk"))
	return writeDescriptor(path, "vmfs", "", fmt.Sprintf(
		"RW %d VMFS \"%s\"", count, extent), ddb)
}

func writeDescriptor(path, kind, parent, extent string,
	ddb map[string]string) error {
	parentCID := "ffffffff"
	hint := ""
	if parent != "" {
		d, err := readDescriptor(filepath.Join(filepath.Dir(path), parent))
		if err != nil {
			return err
		}
		parentCID = cidLine.FindStringSubmatch(d.text)[1]
		hint = fmt.Sprintf("parentFileNameHint=\"%s\"\n", parent)
	}
	text := fmt.Sprintf("# Disk DescriptorFile\nversion=1\nencoding=\"UTF-8\"\n"+
		"CID=%08x\nparentCID=%s\ncreateType=\"%s\"\n%s\n"+
		"# Extent description\n%s\n\n# The Disk Data Base\n#DDB\n\n",
		rand.Uint32()|1, parentCID, kind, hint, extent)
	var keys []string
	for key := range ddb {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	for _, key := range keys {
		text += fmt.Sprintf("ddb.%s = \"%s\"\n", key, ddb[key])
	}
	return os.WriteFile(path, []byte(text), 0o600)
}

// makeDisk makes a flat disk, with the content that the specification names.
func makeDisk(path string, spec diskSpec) error {
	flat, err := os.OpenFile(extentName(path, "-flat.vmdk"),
		os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer flat.Close()
	if spec.Content != "" {
		size, err := copySparse(flat, spec.Content)
		if err != nil {
			return err
		}
		if spec.Capacity == 0 {
			spec.Capacity = sectors(size) * sectorSize
		}
	}
	if spec.Capacity <= 0 || spec.Capacity%sectorSize != 0 {
		return fmt.Errorf("%s: capacity %d", path, spec.Capacity)
	}
	if spec.UUID == "" {
		spec.UUID = uuidFor(path)
	}
	spec.UUID = strings.ToLower(spec.UUID)
	if spec.Kind == "eager" {
		err = syscall.Fallocate(int(flat.Fd()), 1, 0, spec.Capacity)
	}
	if err == nil {
		err = flat.Truncate(spec.Capacity)
	}
	if err == nil {
		err = writeFlatDescriptor(path, &spec)
	}
	return err
}

// copySparse copies a file and leaves holes where it has zeros.
func copySparse(out *os.File, from string) (int64, error) {
	in, err := os.Open(from)
	if err != nil {
		return 0, err
	}
	defer in.Close()
	buffer := make([]byte, 65536)
	for at := int64(0); ; {
		n, err := io.ReadFull(in, buffer)
		if n > 0 && !allZero(buffer[:n]) {
			if _, err := out.WriteAt(buffer[:n], at); err != nil {
				return 0, err
			}
		}
		at += int64(n)
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return at, nil
		} else if err != nil {
			return 0, err
		}
	}
}

var deltaName = regexp.MustCompile(`-\d{6}\.vmdk$`)

// makeDelta makes the next redo log on top of a disk; its path.
func makeDelta(parent string) (string, error) {
	d, err := readDescriptor(parent)
	if err != nil {
		return "", err
	}
	stem := strings.TrimSuffix(parent, ".vmdk")
	if deltaName.MatchString(parent) {
		stem = parent[:len(parent)-len("-000001.vmdk")]
	}
	path := ""
	for i := 1; path == ""; i++ {
		name := fmt.Sprintf("%s-%06d.vmdk", stem, i)
		if _, err := os.Stat(name); os.IsNotExist(err) {
			path = name
		}
	}
	extent := extentName(path, "-delta.vmdk")
	if err := cowdCreate(extent, d.capacity); err != nil {
		return "", err
	}
	return path, writeDescriptor(path, "vmfsSparse", filepath.Base(parent),
		fmt.Sprintf("RW %d VMFSSPARSE \"%s\"", sectors(d.capacity),
			filepath.Base(extent)),
		map[string]string{"longContentID": fmt.Sprintf("%032x", rand.Uint64())})
}

func removeDisk(path string) error {
	d, err := readDescriptor(path)
	if err != nil {
		return err
	}
	os.Remove(d.extent)
	return os.Remove(path)
}

// backingFor describes a disk on the datastore, parents included.
func (w *worldState) backingFor(name, mode string) (
	*types.VirtualDiskFlatVer2BackingInfo, int64, error) {
	file, err := w.file(name)
	if err != nil {
		return nil, 0, err
	}
	d, err := readDescriptor(file)
	if err != nil {
		return nil, 0, err
	}
	backing := &types.VirtualDiskFlatVer2BackingInfo{
		DiskMode: mode, Split: types.NewBool(false),
		WriteThrough:    types.NewBool(false),
		ThinProvisioned: types.NewBool(d.ddb["thinProvisioned"] == "1"),
		Uuid:            uuidInBacking(d.ddb["uuid"]),
		ContentId:       d.ddb["longContentID"],
	}
	backing.FileName = name
	backing.Datastore = &w.datastoreRef
	if d.parent != "" {
		parent, _, err := w.backingFor(w.named(d.parent), mode)
		if err != nil {
			return nil, 0, err
		}
		backing.Parent = parent
		backing.Uuid = parent.Uuid
		backing.ThinProvisioned = parent.ThinProvisioned
		backing.DeltaDiskFormat = "redoLogFormat"
	}
	return backing, d.capacity, nil
}

// refresh gives a disk device the backing that its file has by now: a new
// device, as snapshots may share the old one.
func (w *worldState) refresh(old *types.VirtualDisk, name, changeID string) (
	*types.VirtualDisk, error) {
	disk := *old
	mode := backingOf(old).DiskMode
	backing, capacity, err := w.backingFor(name, mode)
	if err != nil {
		return nil, err
	}
	backing.ChangeId = changeID
	disk.Backing = backing
	disk.CapacityInBytes = capacity
	disk.CapacityInKB = capacity / 1024
	return &disk, nil
}
