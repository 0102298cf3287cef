// SPDX-License-Identifier: BSD-3-Clause

package main

// The guest's side of HotAdd: a tree like Linux's /sys and /dev in which the
// disks of the proxy VM come and go.
//
//	sys/devices/pci0000:00/0000:03:00.0/host2/target2:0:1/2:0:1:0/
//	    block/sdb/{size,device}  vpd_pg80 vpd_pg83 wwid delete
//	sys/bus/scsi/devices/2:0:1:0, sys/class/block/sdb, sys/class/scsi_host/host2,
//	sys/bus/pci/devices/0000:03:00.0        links to there
//	sys/bus/pci/slots/160/address           0000:03:00
//	sys/class/dmi/id/{sys_vendor,product_uuid,product_serial}
//	dev/sdb                                 link to the disk's bytes
//
// Host N + 2 is SCSI bus N, the target is the unit.  The three ids are there if
// the VM has disk.EnableUUID.  Writing to "delete" takes the device away from
// the guest, as in life; nothing tells us, so the files are looked at.

import (
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

const hotaddPoll = 20 * time.Millisecond

// pciSlots: slot number and address for SCSI buses 0 to 3.
var pciSlots = [4]struct {
	slot    int
	address string
}{{160, "0000:03:00"}, {192, "0000:0b:00"}, {224, "0000:13:00"},
	{256, "0000:1b:00"}}

// guestDisk is a disk of the proxy, seen from within.
type guestDisk struct {
	key        int32
	bus        int
	unit       int
	path       string // datastore's
	file       string // the bytes that the node leads to
	size       int64
	uuid       string // 32 hex digits
	scratch    bool   // file is ours, to be removed
	persistent bool   // what was written to a scratch file is kept

	node  string // "sdb"; "" while it is not there
	extra *guestDisk
}

type guestTree struct {
	mu    sync.Mutex
	root  string
	ids   bool
	disks map[int32]*guestDisk
}

var guest *guestTree // nil: nobody looks

func newGuestTree(root, vmUUID string, ids bool) (*guestTree, error) {
	g := &guestTree{root: root, ids: ids, disks: map[int32]*guestDisk{}}
	for _, dir := range []string{"dev", "sys/bus/scsi/devices",
		"sys/bus/pci/devices", "sys/bus/pci/slots", "sys/class/block",
		"sys/class/scsi_host"} {
		if err := os.MkdirAll(g.at(dir), 0o700); err != nil {
			return nil, err
		}
	}
	raw, err := hex.DecodeString(strings.ReplaceAll(vmUUID, "-", ""))
	if err != nil || len(raw) != 16 {
		return nil, fmt.Errorf("%q is no UUID", vmUUID)
	}
	g.put("sys/class/dmi/id/sys_vendor", "VMware, Inc.\n")
	g.put("sys/class/dmi/id/product_uuid", strings.ToUpper(vmUUID)+"\n")
	g.put("sys/class/dmi/id/product_serial",
		fmt.Sprintf("VMware-% x-% x\n", raw[:8], raw[8:]))
	go g.watch()
	return g, nil
}

func (g *guestTree) at(parts ...string) string {
	return filepath.Join(append([]string{g.root}, parts...)...)
}

func (g *guestTree) put(name, text string) {
	path := g.at(name)
	os.MkdirAll(filepath.Dir(path), 0o700)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		events.add("hotadd", fields{"event": "failed", "why": err.Error()})
	}
}

// link makes name lead to target, both below the root.
func (g *guestTree) link(name, target string) {
	relative, _ := filepath.Rel(g.at(filepath.Dir(name)), g.at(target))
	os.Symlink(relative, g.at(name))
}

func hostDir(bus int) string {
	return fmt.Sprintf("sys/devices/pci0000:00/%s.0/host%d",
		pciSlots[bus].address, bus+2)
}

// addHost shows a SCSI controller.
func (g *guestTree) addHost(bus int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	dir, host := hostDir(bus), fmt.Sprintf("host%d", bus+2)
	if _, err := os.Stat(g.at(dir)); err == nil {
		return
	}
	slot := pciSlots[bus]
	g.put(filepath.Join(dir, "scsi_host", host, "scan"), "")
	g.link("sys/class/scsi_host/"+host, filepath.Join(dir, "scsi_host", host))
	g.link("sys/bus/pci/devices/"+slot.address+".0", filepath.Dir(dir))
	g.put(fmt.Sprintf("sys/bus/pci/slots/%d/address", slot.slot),
		slot.address+"\n")
}

func (d *guestDisk) name() string {
	return fmt.Sprintf("%d:0:%d:0", d.bus+2, d.unit)
}

func (d *guestDisk) dir() string {
	return fmt.Sprintf("%s/target%d:0:%d/%s", hostDir(d.bus), d.bus+2, d.unit,
		d.name())
}

// attach has a disk appear, after the knobs' delay.
func (g *guestTree) attach(d *guestDisk) {
	k := knobs.get()
	g.mu.Lock()
	g.disks[d.key] = d
	g.mu.Unlock()
	if k.Hotadd == "never" {
		return
	}
	g.after(k.HotaddDelayMs, func() {
		if g.disks[d.key] != d {
			return // gone again already
		}
		g.show(d, k.Hotadd)
		if k.Hotadd == "two" {
			other := *d
			other.unit = (d.unit + 1) % 16
			other.uuid = "6000c29f" + d.uuid[8:16] + strings.Repeat("f", 16)
			d.extra = &other
			g.show(&other, "")
		}
	})
}

// after does it with the lock held, in ms, or now.
func (g *guestTree) after(ms int, do func()) {
	locked := func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		do()
	}
	if ms == 0 {
		locked()
		return
	}
	time.AfterFunc(time.Duration(ms)*time.Millisecond, locked)
}

func (g *guestTree) freeNode() string {
	for letter := 'a'; letter <= 'z'; letter++ {
		node := "sd" + string(letter)
		if _, err := os.Lstat(g.at("dev", node)); err != nil {
			return node
		}
	}
	return "sdzz"
}

func (g *guestTree) show(d *guestDisk, fault string) {
	d.node = g.freeNode()
	dir, block := d.dir(), filepath.Join(d.dir(), "block", d.node)
	size, id := d.size, d.uuid
	if fault == "wrong-size" {
		size += sectorSize
	}
	if fault == "wrong-id" {
		id = id[:24] + "deadbeef"
	}
	os.Symlink(d.file, g.at("dev", d.node))
	g.put(filepath.Join(block, "size"), fmt.Sprintf("%d\n", size/sectorSize))
	g.put(filepath.Join(dir, "delete"), "")
	if g.ids {
		g.identify(dir, id)
	}
	g.link(filepath.Join(block, "device"), dir)
	g.link("sys/class/block/"+d.node, block)
	g.link("sys/bus/scsi/devices/"+d.name(), dir)
	events.add("hotadd", fields{"event": "appeared", "device": d.name(),
		"node": d.node, "path": d.path})
}

func (g *guestTree) identify(dir, id string) {
	raw, _ := hex.DecodeString(id)
	page := append([]byte{0, 0x83, 0, 20, 1, 3, 0, 16}, raw...)
	g.put(filepath.Join(dir, "vpd_pg83"), string(page))
	g.put(filepath.Join(dir, "vpd_pg80"), string([]byte{0, 0x80, 0, 32})+id)
	g.put(filepath.Join(dir, "wwid"), "naa."+id+"\n")
}

func (g *guestTree) hide(d *guestDisk) {
	if d.node == "" {
		return
	}
	os.Remove(g.at("sys/bus/scsi/devices", d.name()))
	os.Remove(g.at("sys/class/block", d.node))
	os.Remove(g.at("dev", d.node))
	os.RemoveAll(g.at(filepath.Dir(d.dir())))
	events.add("hotadd", fields{"event": "gone", "device": d.name(),
		"node": d.node, "path": d.path})
	d.node = ""
}

// detach has a disk go, after the knobs' delay; done follows at once.
func (g *guestTree) detach(key int32) *guestDisk {
	k := knobs.get()
	g.mu.Lock()
	d := g.disks[key]
	delete(g.disks, key)
	g.mu.Unlock()
	if d == nil || k.Hotadd == "stays" {
		return d
	}
	g.after(k.HotaddDelayMs, func() {
		g.hide(d)
		if d.extra != nil {
			g.hide(d.extra)
		}
	})
	return d
}

// watch does what writes to "delete" ask for.
func (g *guestTree) watch() {
	for range time.Tick(hotaddPoll) {
		g.mu.Lock()
		for _, d := range g.disks {
			for _, each := range []*guestDisk{d, d.extra} {
				if each != nil && each.node != "" && g.told(each) {
					events.add("hotadd", fields{"event": "deleted",
						"device": each.name()})
					g.hide(each)
				}
			}
		}
		g.mu.Unlock()
	}
}

func (g *guestTree) told(d *guestDisk) bool {
	text, err := os.ReadFile(g.at(d.dir(), "delete"))
	return err == nil && strings.TrimSpace(string(text)) == "1"
}

func (g *guestTree) state() map[string]fields {
	g.mu.Lock()
	defer g.mu.Unlock()
	all := map[string]fields{}
	for _, d := range g.disks {
		all[d.name()] = fields{"path": d.path, "node": d.node}
	}
	return all
}
