// SPDX-License-Identifier: BSD-3-Clause

package main

// What a test can set, at the start and while the program runs (see main.go).

import (
	"bytes"
	"encoding/json"
	"sync"
	"time"
)

// rule makes the server misbehave at one place.
type rule struct {
	On      string `json:"on"`
	Skip    int    `json:"skip,omitempty"`
	Times   int    `json:"times,omitempty"`
	Do      string `json:"do"`
	Fault   string `json:"fault,omitempty"`
	Message string `json:"message,omitempty"`
	Status  int    `json:"status,omitempty"`
	Ms      int    `json:"ms,omitempty"`
	Bytes   int64  `json:"bytes,omitempty"`

	acted int
}

func (r *rule) pause() time.Duration {
	return time.Duration(r.Ms) * time.Millisecond
}

type knobValues struct {
	TicketHost       string  `json:"ticket_host"`
	TicketPort       string  `json:"ticket_port"`
	TicketThumbprint string  `json:"ticket_thumbprint"`
	NfcDigest        string  `json:"nfc_digest"`
	Banner           string  `json:"banner"`
	AuthdRefusesSha2 bool    `json:"authd_refuses_sha2"`
	Fragment         int     `json:"fragment"`
	FragmentOrder    string  `json:"fragment_order"`
	ReplyOrder       string  `json:"reply_order"`
	Compression      string  `json:"compression"`
	LatencyMs        int     `json:"latency_ms"`
	MaxBuffer        int     `json:"max_buffer"`
	Memory           int64   `json:"memory"`
	ErrorPayload     string  `json:"error_payload"`
	WriteAckExtra    string  `json:"write_ack_extra"`
	SessionCalls     int     `json:"session_calls"`
	FolderCalls      int     `json:"folder_calls"`
	ChangedSpan      int64   `json:"changed_span"`
	LeaseURL         string  `json:"lease_url"`
	LeaseThumbprint  string  `json:"lease_thumbprint"`
	LeaseTimeoutS    int32   `json:"lease_timeout_s"`
	LeaseState       string  `json:"lease_state"`
	LeaseProgress    int     `json:"lease_progress"`
	LeaseLost        int     `json:"lease_lost"`
	LeaseInfo        string  `json:"lease_info"`
	HotaddDelayMs    int     `json:"hotadd_delay_ms"`
	Hotadd           string  `json:"hotadd"`
	SoapRules        []*rule `json:"soap_rules"`
	NfcRules         []*rule `json:"nfc_rules"`
}

type knobSet struct {
	mu     sync.Mutex
	values knobValues
}

var knobs = &knobSet{values: knobValues{
	MaxBuffer:     2 << 20,
	Memory:        48 << 20,
	LeaseTimeoutS: 300,
	SoapRules:     []*rule{},
	NfcRules:      []*rule{},
}}

// set changes what the JSON object names, all or nothing.
func (k *knobSet) set(text []byte) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	values := k.values
	// Lists are replaced, never merged into the rules that stand there.
	values.SoapRules, values.NfcRules = nil, nil
	in := json.NewDecoder(bytes.NewReader(text))
	in.DisallowUnknownFields()
	if err := in.Decode(&values); err != nil {
		return err
	}
	if values.SoapRules == nil {
		values.SoapRules = k.values.SoapRules
	}
	if values.NfcRules == nil {
		values.NfcRules = k.values.NfcRules
	}
	k.values = values
	return nil
}

func (k *knobSet) get() knobValues {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.values
}

// take finds the rule that acts now on one of the names.  Every rule that
// matches counts this match.
func (k *knobSet) take(list func(*knobValues) []*rule, names ...string) *rule {
	k.mu.Lock()
	defer k.mu.Unlock()
	var first *rule
	for _, r := range list(&k.values) {
		if !r.matches(names) {
			continue
		}
		if r.Skip > 0 {
			r.Skip--
		} else if first == nil && (r.Times == 0 || r.acted < r.Times) {
			r.acted++
			first = r
		}
	}
	if first == nil {
		return nil
	}
	events.add("rule", fields{"on": names[0], "do": first.Do})
	copied := *first
	return &copied
}

func (r *rule) matches(names []string) bool {
	for _, name := range names {
		if r.On == name || r.On == "*" {
			return true
		}
	}
	return false
}

func (k *knobSet) soap(names ...string) *rule {
	return k.take(func(v *knobValues) []*rule { return v.SoapRules }, names...)
}

func (k *knobSet) nfc(names ...string) *rule {
	return k.take(func(v *knobValues) []*rule { return v.NfcRules }, names...)
}
