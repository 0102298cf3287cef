// SPDX-License-Identifier: BSD-3-Clause

package main

// SOAP as far as the front handler needs it: requests taken apart, answers and
// faults put together.

import (
	"bytes"
	"fmt"
	"net/http"
	"reflect"
	"regexp"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
	"github.com/vmware/govmomi/vim25/xml"
)

const (
	envelopeStart = xml.Header + `<soapenv:Envelope ` +
		`xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" ` +
		`xmlns:xsd="http://www.w3.org/2001/XMLSchema" ` +
		`xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">` +
		`<soapenv:Body>`
	envelopeEnd = `</soapenv:Body></soapenv:Envelope>`
	vimSpace    = "urn:vim25"
)

type moRef = types.ManagedObjectReference

// soapCall is a request that our own table answers, or that goes on to the
// simulator.
type soapCall struct {
	op      string
	this    moRef
	body    interface{} // the request's struct; nil: none that we know
	session *session
	version string // of the API, as the client says: its SOAPAction
	note    fields // for the log
}

// soapFault is the error by which operations fail.
type soapFault struct {
	fault types.BaseMethodFault
	text  string
}

func (f *soapFault) Error() string {
	return f.text
}

func fault(f types.BaseMethodFault, format string, args ...interface{}) error {
	return &soapFault{f, fmt.Sprintf(format, args...)}
}

// faultNamed makes a fault from its type's name.
func faultNamed(name string) types.BaseMethodFault {
	if kind, ok := requestType(name); ok {
		if f, ok := reflect.New(kind).Interface().(types.BaseMethodFault); ok {
			return f
		}
	}
	return &types.InvalidRequest{}
}

func faultName(f types.BaseMethodFault) string {
	return reflect.TypeOf(f).Elem().Name()
}

// asFault: what went wrong in our own files is the server's trouble.
func asFault(err error) *soapFault {
	if f, ok := err.(*soapFault); ok {
		return f
	}
	return &soapFault{&types.SystemError{Reason: err.Error()}, err.Error()}
}

var vimType = types.TypeFunc()

// ownTypes are requests that govmomi has no public types for, and faults.
var ownTypes = map[string]reflect.Type{}

func requestType(name string) (reflect.Type, bool) {
	if kind, ok := ownTypes[name]; ok {
		return kind, true
	}
	return vimType(name)
}

var operationInBody = regexp.MustCompile(
	`(?s)<(?:[\w.-]+:)?Body\b[^>]*>\s*(?:<!--.*?-->\s*)*<(?:[\w.-]+:)?(\w+)`)

// parseCall takes a request apart as far as possible.
func parseCall(body []byte) *soapCall {
	call := &soapCall{note: fields{}}
	if name := operationInBody.FindSubmatch(body); name != nil {
		call.op = string(name[1])
	}
	method, err := simulator.UnmarshalBody(requestType, body)
	if err == nil {
		call.this, call.body = method.This, method.Body
	}
	return call
}

// encode gives a value as an element of that name.
func encode(name string, value interface{}) []byte {
	var b bytes.Buffer
	e := xml.NewEncoder(&b)
	start := xml.StartElement{Name: xml.Name{Local: name}}
	if err := e.EncodeElement(value, start); err != nil {
		panic(err) // only govmomi's types and ours are put in
	}
	e.Flush()
	return b.Bytes()
}

// answerBody is an operation's result: nothing, a value, or several.
func answerBody(op string, results ...interface{}) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, `%s<%sResponse xmlns="%s">`, envelopeStart, op, vimSpace)
	for _, result := range results {
		b.Write(encode("returnval", result))
	}
	fmt.Fprintf(&b, `</%sResponse>%s`, op, envelopeEnd)
	return b.Bytes()
}

func escape(text string) string {
	var b bytes.Buffer
	xml.EscapeText(&b, []byte(text))
	return b.String()
}

func faultBody(f *soapFault) []byte {
	name := faultName(f.fault)
	inner := encode("X", f.fault)
	// The element has a name, a namespace and a type of its own.
	inner = bytes.TrimSuffix(inner, []byte("</X>"))
	inner = inner[bytes.IndexByte(inner, '>')+1:]
	return []byte(fmt.Sprintf(`%s<soapenv:Fault>`+
		`<faultcode>ServerFaultCode</faultcode>`+
		`<faultstring>%s</faultstring><detail>`+
		`<%sFault xmlns="%s" xsi:type="%s">%s</%sFault>`+
		`</detail></soapenv:Fault>%s`, envelopeStart, escape(f.text), name,
		vimSpace, name, inner, name, envelopeEnd))
}

func writeXML(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	w.WriteHeader(status)
	w.Write(body)
}
