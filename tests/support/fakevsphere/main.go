// SPDX-License-Identifier: BSD-3-Clause

// fakevsphere - a vCenter (or an ESXi host) for tests, with disks, that can be
// told to misbehave.
//
// The SOAP side is govmomi's simulator with a handler in front that adds what it
// lacks; authd, NFC, /folder, leases and the guest side of HotAdd are ours.
// tests/support/vsphere_fake.py starts it: look there first.
//
//	fakevsphere -cert C -key K -user U -password P -vm JSON [-vm JSON ...]
//
// # Flags
//
//	-api vc|esx             what it pretends to be (vc)
//	-cert, -key             PEM files of the SOAP port
//	-vmfs JSON              the datastore is VMFS, not a host's folder:
//	                        {"uuid": "...", "disks": ["naa...."]}
//	-host-cert, -host-key   of authd, port 902 in real life (as -cert)
//	-nfc-cert, -nfc-key     of NFC inside nbdssl (as -host-cert)
//	-user, -password        the only login that works
//	-datacenter, -datastore, -host-name
//	                        names in the inventory; any characters but / and []
//	-root DIR               folder for the datastore; made if need be.  Without it
//	                        a temporary one.  What the program has put there goes
//	                        away at its end
//	-vm JSON                a virtual machine, see below; may be repeated
//	-proxy NAME             the VM that this "guest" runs in, for HotAdd
//	-hotadd DIR             root of the fake /sys and /dev (hotadd_tree.go)
//	-knobs JSON             first values of the knobs
//	-log FILE               what happened, as JSON lines
//
// It ends when its stdin closes, or by SIGTERM or SIGINT.
//
// A VM: all fields but name may be left out
//
//	{"name": "a", "on": false, "cbt": false, "folder": "x/y",
//	 "uuid": "...", "instance_uuid": "...", "enable_uuid": false,
//	 "controller": "pvscsi|lsilogic|lsisas|buslogic",
//	 "disks": [{"name": "a.vmdk",      default: VM's name, then name_1, ...
//	            "content": "FILE",     raw bytes to begin with (copied, holes kept)
//	            "capacity": 1048576,   default: size of content, to a sector
//	            "kind": "thin|thick|eager",
//	            "uuid": "6000C29...",  32 hex digits; default: made from the name
//	            "ddb": {"adapterType": "lsilogic", "geometry.biosHeads": "..."}}]}
//
// Files: [DS] NAME/NAME.vmx, NAME/x.vmdk and x-flat.vmdk; after a snapshot
// x-000001.vmdk and x-000001-delta.vmdk (vmfsSparse), whose parent is x.vmdk.
//
// # The line on stdout when all is ready
//
//	{"address": "127.0.0.1", "port": N, "authd_port": N, "control_port": N,
//	 "api_type": "VirtualCenter|HostAgent", "instance_uuid": "...",
//	 "thumbprint": "AA:BB.. (SHA-1)", "thumbprint_sha256": "..",
//	 "host_thumbprint": "..", "host_thumbprint_sha256": "..",
//	 "nfc_thumbprint": "..", "nfc_thumbprint_sha256": "..",
//	 "datacenter": {"name", "moref", "path"},
//	 "datastore": {"name", "moref", "dir"},
//	 "host": {"name", "moref", "path"},
//	 "vms": {"NAME": {"moref", "uuid", "instance_uuid", "vmx", "path",
//	         "disks": [{"key", "path", "flat", "capacity", "uuid"}]}}}
//
// # Control port: HTTP, JSON both ways; an error is status 400 and text
//
//	GET  /knobs              all of them
//	POST /knobs {..}         sets those that are named, answers all
//	POST /power {"vm": NAME, "on": true}
//	POST /write {"path": "[DS] ..", "offset": N, "hex": ".."}
//	                         as the guest would: with chains and change tracking
//	POST /read  {"path": "[DS] ..", "offset": N, "length": N}  ->  {"hex": ".."}
//	POST /expire {}          ends every session, as after 30 minutes
//	GET  /state              {"sessions": N, "tickets": N, "nfc": N connections,
//	                          "open": [paths], "disabled": {moref: [methods]},
//	                          "leases": [..], "vms": as in the ready line,
//	                          with the disks as they are now,
//	                          "hotadd": {device: {"path", "node"}}}
//
// # Knobs (knobs.go has them with their types)
//
//	ticket_host, ticket_port   what tickets say instead of the truth; "-": absent
//	ticket_thumbprint          "" right, "-" absent, "wrong", or the text itself
//	nfc_digest                 the same for the answer to THUMBPRINT(_SHA2)
//	banner                     "" | "no-sha256" | "no-ssl" | "no-nfcssl" |
//	                           "endless" | any text
//	authd_refuses_sha2         530 to THUMBPRINT_SHA2, as ESXi 6.5 to 7
//	fragment                   bytes in a read's fragment at most (0: bufSize)
//	fragment_order             "" | "reversed" | "shuffled", within one read
//	reply_order                "" | "reversed" | "shuffled", among all replies
//	compression                "" as asked | "never" | "alternate" fragments
//	latency_ms                 of every IO; those in flight wait together
//	max_buffer                 bufSize that OPEN_SESSION still takes (2 MiB)
//	memory                     bytes that bufSize x bufCount may take (48 MiB)
//	error_payload              "" code and 12 zeros | "empty" | "text"
//	write_ack_extra            "" zero | "length": @36 of a write's reply
//	session_calls              calls after which a session is over (0: never)
//	folder_calls               the same for cookies on /folder
//	changed_span               bytes that one QueryChangedDiskAreas covers (0: all)
//	lease_url                  in front of the path of a lease's URLs
//	                           (https://*:PORT, with the port for PORT)
//	lease_thumbprint           as ticket_thumbprint
//	lease_timeout_s            seconds of silence that it says it puts up with (300)
//	lease_state                "" ready at once | "slow" after a while | "error"
//	lease_progress             calls of Progress without which no stream goes on
//	                           behind its head
//	lease_lost                 calls of Progress after which the lease is gone, as
//	                           when a host is lost (0: never)
//	lease_info                 "" | "none" of the disks | "two" | "wrong-key"
//	hotadd_delay_ms, hotadd    "" | "never" | "wrong-size" | "wrong-id" | "two" |
//	                           "stays" (a removed device does not go)
//	soap_rules, nfc_rules      lists of rules
//
// A rule: {"on": what, "skip": N, "times": N, "do": action, "fault": type,
// "message": text, "status": N, "ms": N, "bytes": N}.  It lets skip matches pass,
// then acts on the next times (0: all) of them; on a stream that is sent only
// behind its first bytes.  Of several that match the first acts.
//
// soap_rules, on: an operation ("CreateSnapshot_Task", "*") or a request
// ("GET /folder", "PUT /folder", "GET /exp", "POST /exp").  Actions
//
//	fault       SOAP fault of type fault, text message
//	task-fault  nothing is done; the task that comes back fails so
//	task-slow   it is done, but the task runs on for ms
//	status      HTTP status with message as its body
//	delay       ms, then as usual
//	expire      the session ends first, and the lease that a stream belongs to
//	close, stall      no answer; and the connection closed or left open
//	bomb, deep, wide, endless, truncated, slow, not-xml, empty
//	                  a body like that instead of the answer
//	body        message, as it is, inside the envelope instead of the answer
//	cut               half of the real body (of /folder, /exp too), then closed
//
// nfc_rules, on: "accept", "session", "banner", "thumbprint", "proxy", "tls"
// (inside nbdssl), "classic", "open-session", "sock-opts", "res-pool", "open",
// "close", "close-session", "read", "write", "io" (either), "ddb", "allocated",
// "*".  Actions
//
//	refuse         authd: the line message ("530 Login incorrect")
//	error          an ERROR frame with code status; at "classic" message 20
//	cut, reset     the connection ends (FIN, RST) instead of a reply
//	cut-inside     ... after half of the reply
//	stall          no reply, ever
//	delay          ms, then as usual
//	bad-magic, bad-type, huge-size, wrong-op      spoilt headers
//	too-much, too-long, wrong-offset, wrong-total, zero-length, duplicate,
//	short, bad-extra, bloated                     spoilt fragments of a read
//
// # The log
//
// Each line has "t" (seconds since the start) and "kind": "soap" (op, this,
// session "s1".., version as in SOAPAction, result "ok" or the fault, and a few
// arguments), "http" (method, path, status, auth), "nfc" (event, conn, ...), "task", "hotadd", "rule" (one
// that has acted), and "violation" (a client did what it may not: what).
// A test that ends with a violation in the log has found a bug.  No line has
// a password, a cookie or a ticket.
package main

import (
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

// scratchDir has copies of disks for the guest.
var scratchDir string

type vmSpecs []vmSpec

func (v *vmSpecs) String() string {
	return ""
}

func (v *vmSpecs) Set(text string) error {
	var spec vmSpec
	if err := json.Unmarshal([]byte(text), &spec); err != nil {
		return err
	}
	*v = append(*v, spec)
	return nil
}

type options struct {
	api, user, password, root, hotadd, knobs, log string
	cert, key, hostCert, hostKey, nfcCert, nfcKey string
	vms                                           vmSpecs
}

func parseOptions() *options {
	o := &options{}
	for _, f := range []struct {
		value            *string
		name, init, help string
	}{
		{&o.api, "api", "vc", "vc or esx"},
		{&o.cert, "cert", "", "certificate of the SOAP port (PEM)"},
		{&o.key, "key", "", "its key"},
		{&o.hostCert, "host-cert", "", "certificate of authd"},
		{&o.hostKey, "host-key", "", "its key"},
		{&o.nfcCert, "nfc-cert", "", "certificate inside nbdssl"},
		{&o.nfcKey, "nfc-key", "", "its key"},
		{&o.user, "user", "user", "who may log in"},
		{&o.password, "password", "pass", "with what"},
		{&world.datacenter, "datacenter", "DC0", "its name"},
		{&world.datastore, "datastore", "ds", "its name"},
		{&world.host, "host-name", "", "the host's name"},
		{&world.proxy, "proxy", "", "the VM that HotAdd's guest runs in"},
		{&o.root, "root", "", "folder for the datastore"},
		{&o.hotadd, "hotadd", "", "root of the guest's /sys and /dev"},
		{&o.knobs, "knobs", "", "first values of the knobs (JSON)"},
		{&o.log, "log", "", "file for the log"},
	} {
		flag.StringVar(f.value, f.name, f.init, f.help)
	}
	flag.Var(&world.vmfs, "vmfs", "the datastore's volume (JSON)")
	flag.Var(&o.vms, "vm", "a virtual machine (JSON); may be repeated")
	flag.Parse()
	o.fillCertificates()
	return o
}

func (o *options) fillCertificates() {
	if o.hostCert == "" {
		o.hostCert, o.hostKey = o.cert, o.key
	}
	if o.nfcCert == "" {
		o.nfcCert, o.nfcKey = o.hostCert, o.hostKey
	}
}

func main() {
	o := parseOptions()
	log.SetFlags(0)
	ours := o.root == ""
	if ours {
		root, err := os.MkdirTemp("", "fakevsphere-")
		if err != nil {
			log.Fatal(err)
		}
		o.root = root
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		io.Copy(io.Discard, os.Stdin)
		stop <- syscall.SIGTERM
	}()
	err := start(o)
	if err == nil {
		<-stop
	}
	if world.model != nil {
		world.remove(o.root, ours)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// start brings everything up and prints the line that says so.
func start(o *options) error {
	if o.log != "" {
		if err := events.open(o.log); err != nil {
			return err
		}
	}
	if o.knobs != "" {
		if err := knobs.set([]byte(o.knobs)); err != nil {
			return err
		}
	}
	soap, err := loadCertificate(o.cert, o.key)
	if err != nil {
		return err
	}
	host, err := loadCertificate(o.hostCert, o.hostKey)
	if err != nil {
		return err
	}
	nfc, err := loadCertificate(o.nfcCert, o.nfcKey)
	if err != nil {
		return err
	}
	if err := startWorld(o); err != nil {
		return err
	}
	authd, err := newAuthd(host, nfc)
	if err != nil {
		return err
	}
	world.authd, world.hostDigest = authd.port(), host.sha1
	go authd.run()
	port, err := startFront(o, soap)
	if err != nil {
		return err
	}
	control, err := startControl(authd)
	if err != nil {
		return err
	}
	ready := describeWorld()
	ready["port"], ready["authd_port"] = port, authd.port()
	ready["control_port"] = control.Addr().(*net.TCPAddr).Port
	for prefix, c := range map[string]*certificate{"": soap, "host_": host,
		"nfc_": nfc} {
		ready[prefix+"thumbprint"] = c.sha1
		ready[prefix+"thumbprint_sha256"] = c.sha256
	}
	line, err := json.Marshal(ready)
	if err == nil {
		_, err = fmt.Printf("%s\n", line)
	}
	return err
}

func startWorld(o *options) error {
	if o.api != "vc" && o.api != "esx" {
		return fmt.Errorf("no API %q", o.api)
	}
	world.esx = o.api == "esx"
	world.dir = filepath.Join(o.root, "datastore")
	scratchDir = filepath.Join(o.root, "scratch")
	if err := mustExist(scratchDir); err != nil {
		return err
	}
	if err := world.build(o.user, o.password); err != nil {
		return err
	}
	for _, spec := range o.vms {
		if spec.Name == world.proxy && o.hotadd != "" {
			continue // its guest must be there first
		}
		if err := world.addVM(spec); err != nil {
			return err
		}
	}
	return startGuest(o)
}

// startGuest makes the proxy and what it sees of itself.
func startGuest(o *options) error {
	if o.hotadd == "" {
		return nil
	}
	for _, spec := range o.vms {
		if spec.Name != world.proxy {
			continue
		}
		var err error
		spec.UUID = spec.uuid()
		guest, err = newGuestTree(o.hotadd, spec.UUID, spec.EnableUUID)
		if err != nil {
			return err
		}
		return world.addVM(spec)
	}
	return fmt.Errorf("no VM %q to be the proxy", world.proxy)
}

func startFront(o *options, cert *certificate) (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	port := listener.Addr().(*net.TCPAddr).Port
	f := &front{behind: world.model.Service.ServeMux, user: o.user,
		password: o.password, cert: cert, port: port}
	server := &http.Server{Handler: f}
	go server.Serve(tls.NewListener(listener, cert.config()))
	return port, nil
}

func describeWorld() fields {
	about := world.model.ServiceContent.About
	datacenter := fields{"name": world.datacenter,
		"moref": world.datacenterRef.Value, "path": "/" + world.datacenter}
	return fields{
		"address":       "127.0.0.1",
		"api_type":      about.ApiType,
		"instance_uuid": about.InstanceUuid,
		"datacenter":    datacenter,
		"datastore": fields{"name": world.datastore,
			"moref": world.datastoreRef.Value, "dir": world.dir},
		"host": fields{"name": world.host, "moref": world.hostRef.Value,
			"path": world.hostPath()},
		"vms": world.vms(),
	}
}
