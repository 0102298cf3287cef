// SPDX-License-Identifier: BSD-3-Clause

package main

// HttpNfcLeases: disks out, as streams, and in.

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

const (
	exportPath = "/exp/"
	slowLease  = 300 * time.Millisecond
)

type leaseDisk struct {
	path string // of the descriptor
	done bool
}

type lease struct {
	mo.HttpNfcLease
	number   int
	importVM *vmObject // nil: an export
	percent  int32
	calls    int // of Progress
	disks    map[string]*leaseDisk
}

type leaseBook struct {
	mu  sync.Mutex
	all []*lease
}

var leases = &leaseBook{}

// slotOf names a device as leases do, by its controller.
func slotOf(devices []types.BaseVirtualDevice, disk *types.VirtualDisk) string {
	for _, device := range devices {
		c, ok := device.(types.BaseVirtualController)
		if !ok || device.GetVirtualDevice().Key != disk.ControllerKey ||
			disk.UnitNumber == nil {
			continue
		}
		return fmt.Sprintf("%s%d:%d", reflect.TypeOf(device).Elem().Name(),
			c.GetVirtualController().BusNumber, *disk.UnitNumber)
	}
	return "nowhere"
}

// deviceURL is what a lease says of a disk.
func (l *lease) deviceURL(name, place, url string) types.HttpNfcLeaseDeviceUrl {
	entity := l.Info.Entity.Value
	imported := ""
	if l.importVM != nil {
		imported = "/" + l.importVM.Name + "/" + place
	}
	if knobs.get().LeaseInfo == "wrong-key" {
		place, imported = "VirtualIDEController0:1", ""
	}
	return types.HttpNfcLeaseDeviceUrl{Key: "/" + entity + "/" + place,
		ImportKey: imported, Url: url, Disk: types.NewBool(true), TargetId: name}
}

// spoil has the lease say what none would.
func (l *lease) spoil() {
	switch knobs.get().LeaseInfo {
	case "none":
		l.Info.DeviceUrl = nil
	case "two":
		l.Info.DeviceUrl = append(l.Info.DeviceUrl, l.Info.DeviceUrl...)
	}
}

// lose ends the lease for the server's own reasons.
func (l *lease) lose() error {
	l.Error = &types.LocalizedMethodFault{Fault: &types.HostNotConnected{},
		LocalizedMessage: "The host was lost."}
	setProperty(l, "state", types.HttpNfcLeaseStateError)
	if l.importVM != nil {
		return world.destroyVM(l.importVM)
	}
	return nil
}

// begin has the lease be ready, or not.
func (l *lease) begin(state string) {
	l.State = types.HttpNfcLeaseStateReady
	switch state {
	case "slow":
		l.State = types.HttpNfcLeaseStateInitializing
		time.AfterFunc(slowLease, func() {
			setProperty(l, "state", types.HttpNfcLeaseStateReady)
		})
	case "error":
		l.State = types.HttpNfcLeaseStateError
		l.Error = &types.LocalizedMethodFault{Fault: &types.Timedout{},
			LocalizedMessage: "The disks did not get ready."}
	}
}

// busy: something of that machine is being moved already.
func (b *leaseBook) busy(entity moRef) bool {
	for _, l := range b.all {
		if l.Info.Entity == entity && l.State == types.HttpNfcLeaseStateReady {
			return true
		}
	}
	return false
}

// open makes a lease for the disks among devices.
func (b *leaseBook) open(f *front, entity moRef,
	devices []types.BaseVirtualDevice, importVM *vmObject) (moRef, error) {
	k := knobs.get()
	start := k.LeaseURL
	if start == "" {
		start = "https://*:PORT" // the server that was asked
	}
	start = strings.Replace(start, "PORT", fmt.Sprint(f.port), 1)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.busy(entity) {
		return moRef{}, fault(&types.TaskInProgress{},
			"the disks are being exported")
	}
	l := &lease{number: len(b.all) + 1, importVM: importVM,
		disks: map[string]*leaseDisk{}}
	l.Self = moRef{Type: "HttpNfcLease", Value: "lease-" + uuid.New().String()}
	info := &types.HttpNfcLeaseInfo{Entity: entity,
		LeaseTimeout: k.LeaseTimeoutS}
	l.Info = info
	for i, disk := range disksOf(devices) {
		path, err := world.file(backingOf(disk).FileName)
		if err != nil {
			return moRef{}, err
		}
		name := fmt.Sprintf("disk-%d.vmdk", i)
		key := uuid.New().String() + "/" + name
		l.disks[key] = &leaseDisk{path: path}
		info.TotalDiskCapacityInKB += disk.CapacityInKB
		device := l.deviceURL(name, slotOf(devices, disk), start+exportPath+key)
		device.SslThumbprint = disguise(k.LeaseThumbprint, f.cert.sha1)
		info.DeviceUrl = append(info.DeviceUrl, device)
	}
	info.Lease = l.Self
	l.spoil()
	simulator.Map.Put(l)
	l.begin(k.LeaseState)
	b.all = append(b.all, l)
	if l.State == types.HttpNfcLeaseStateError && importVM != nil {
		return l.Self, world.destroyVM(importVM)
	}
	return l.Self, nil
}

func (b *leaseBook) state() []fields {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := []fields{}
	for _, l := range b.all {
		done := 0
		for _, disk := range l.disks {
			if disk.done {
				done++
			}
		}
		all = append(all, fields{"number": l.number, "state": l.State,
			"percent": l.percent, "progress_calls": l.calls, "done": done,
			"disks": len(l.disks), "import": l.importVM != nil})
	}
	return all
}

func exportDisks(f *front, call *soapCall) ([]interface{}, error) {
	var devices []types.BaseVirtualDevice
	switch obj := simulator.Map.Get(call.this).(type) {
	case *vmObject:
		if isOn(obj) {
			return nil, fault(&types.InvalidPowerState{
				RequestedState: types.VirtualMachinePowerStatePoweredOff,
				ExistingState:  types.VirtualMachinePowerStatePoweredOn},
				"the VM is running")
		}
		devices = devicesOf(obj)
	case *snapshotObject:
		devices = devicesOf(obj)
	default:
		return nil, fault(&types.ManagedObjectNotFound{Obj: call.this},
			"nothing to export")
	}
	ref, err := leases.open(f, call.this, devices, nil)
	return []interface{}{ref}, err
}

// importing: one at a time, so that names are taken once.
var importing sync.Mutex

// checkNew: the simulator makes two of one name.
func checkNew(folder moRef, name string) error {
	f, ok := simulator.Map.Get(folder).(*simulator.Folder)
	if !ok {
		return fault(&types.ManagedObjectNotFound{Obj: folder}, "no folder")
	}
	if found := simulator.Map.FindByName(name, f.ChildEntity); found != nil {
		return fault(&types.DuplicateName{Name: name,
			Object: found.Reference()}, "the name is taken")
	}
	return nil
}

// importVApp makes the VM of an import, with empty disks.
func importVApp(f *front, call *soapCall) ([]interface{}, error) {
	request := call.body.(*types.ImportVApp)
	spec, ok := request.Spec.(*types.VirtualMachineImportSpec)
	if !ok || request.Folder == nil {
		return nil, fault(&types.InvalidArgument{InvalidProperty: "spec"},
			"a VM and its folder are needed")
	}
	importing.Lock()
	defer importing.Unlock()
	if err := checkNew(*request.Folder, spec.ConfigSpec.Name); err != nil {
		return nil, err
	}
	vm, err := world.createVM(*request.Folder, call.this, spec.ConfigSpec)
	if err != nil {
		return nil, err
	}
	if err := world.settle(vm, nil); err != nil {
		return nil, err
	}
	ref, err := leases.open(f, vm.Self, devicesOf(vm), vm)
	return []interface{}{ref}, err
}

// openLease finds a lease that is still good.
func openLease(call *soapCall) (*lease, error) {
	l, ok := simulator.Map.Get(call.this).(*lease)
	if !ok {
		return nil, fault(&types.ManagedObjectNotFound{Obj: call.this},
			"no such lease")
	}
	if l.State != types.HttpNfcLeaseStateReady {
		return nil, fault(&types.InvalidState{}, "the lease is %s", l.State)
	}
	call.note["lease"] = l.number
	return l, nil
}

func leaseProgress(_ *front, call *soapCall) ([]interface{}, error) {
	l, err := openLease(call)
	if err != nil {
		return nil, err
	}
	percent := call.body.(*types.HttpNfcLeaseProgress).Percent
	call.note["percent"] = percent
	if percent < 0 || percent > 100 {
		return nil, badArgument("percent", "0 to 100")
	}
	leases.mu.Lock()
	defer leases.mu.Unlock()
	l.percent, l.TransferProgress = percent, percent
	l.calls++
	if most := knobs.get().LeaseLost; most > 0 && l.calls >= most {
		if err := l.lose(); err != nil {
			return nil, err
		}
		return nil, fault(&types.InvalidState{}, "the lease is %s", l.State)
	}
	return nil, nil
}

func leaseComplete(_ *front, call *soapCall) ([]interface{}, error) {
	l, err := openLease(call)
	if err == nil {
		setProperty(l, "state", types.HttpNfcLeaseStateDone)
	}
	return nil, err
}

// leaseAbort also takes back what an import has made.
func leaseAbort(_ *front, call *soapCall) ([]interface{}, error) {
	l, err := openLease(call)
	if err != nil {
		return nil, err
	}
	setProperty(l, "state", types.HttpNfcLeaseStateError)
	if l.importVM != nil {
		return nil, world.destroyVM(l.importVM)
	}
	return nil, nil
}

func (b *leaseBook) find(key string) (*lease, *leaseDisk) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, l := range b.all {
		disk := l.disks[key]
		if disk != nil && l.State == types.HttpNfcLeaseStateReady {
			return l, disk
		}
	}
	return nil, nil
}

// expire ends the lease that the request is of, if any.
func (b *leaseBook) expire(r *http.Request) {
	l, _ := b.find(strings.TrimPrefix(r.URL.Path, exportPath))
	if l != nil {
		trouble(l.lose())
	}
}

// serveLease moves a disk.  The URL is the secret; no session is asked for.
func serveLease(out http.ResponseWriter, r *http.Request) {
	w := &statusWriter{out, http.StatusOK}
	l, disk := leases.find(strings.TrimPrefix(r.URL.Path, exportPath))
	if l == nil {
		http.NotFound(w, r)
	} else if l.importVM == nil && r.Method == http.MethodGet {
		sendDisk(w, r, l, disk)
	} else if l.importVM != nil && r.Method == http.MethodPost {
		if r.Header.Get("Content-Type") != "application/x-vnd.vmware-streamVmdk" {
			violation("Content-Type of an import", nil)
		}
		if r.Header.Get("Overwrite") != "t" {
			violation("Overwrite of an import", nil)
		}
		receiveDisk(w, r, l, disk)
	} else {
		http.Error(w, "no such method", http.StatusMethodNotAllowed)
	}
	number := 0
	if l != nil {
		number = l.number
	}
	events.add("http", fields{"method": r.Method, "path": exportPath,
		"status": w.status, "lease": number})
}

// patientWriter waits behind the first bytes until the client has called.
type patientWriter struct {
	http.ResponseWriter
	r     *http.Request
	l     *lease
	began bool
}

func (p *patientWriter) Write(b []byte) (int, error) {
	if p.began && !p.l.awaitCalls(p.r) {
		return 0, io.ErrClosedPipe
	}
	p.began = true
	return p.ResponseWriter.Write(b)
}

// awaitCalls waits until the client has called often enough; false: it is gone.
func (l *lease) awaitCalls(r *http.Request) bool {
	for l.callsSoFar() < knobs.get().LeaseProgress {
		select {
		case <-r.Context().Done():
			return false
		case <-time.After(10 * time.Millisecond):
		}
	}
	return true
}

func (l *lease) callsSoFar() int {
	leases.mu.Lock()
	defer leases.mu.Unlock()
	return l.calls
}

func sendDisk(w http.ResponseWriter, r *http.Request, l *lease,
	disk *leaseDisk) {
	c, err := openChain(disk.path)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer c.close()
	w.Header().Set("Content-Type", "application/x-vnd.vmware-streamVmdk")
	out := &patientWriter{ResponseWriter: w, r: r, l: l}
	if writeStream(out, c, filepath.Base(disk.path)) == nil {
		disk.done = true
	}
}

func receiveDisk(w http.ResponseWriter, r *http.Request, l *lease,
	disk *leaseDisk) {
	d, err := readDescriptor(disk.path)
	var file *os.File
	if err == nil {
		file, err = os.OpenFile(d.extent, os.O_RDWR, 0)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer file.Close()
	capacity, err := readStream(r.Body, file)
	if err == nil && capacity != d.capacity {
		err = fmt.Errorf("%d bytes for a disk of %d", capacity, d.capacity)
	}
	if err != nil {
		violation("imported stream", fields{"why": err.Error()})
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if l.awaitCalls(r) {
		disk.done = true
		w.WriteHeader(http.StatusCreated)
	}
}
