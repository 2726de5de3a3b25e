// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"net/http"
	"reflect"

	"github.com/vmware/govmomi/vim25/types"
	"github.com/vmware/govmomi/vim25/xml"
)

const (
	envelopeHead = `<?xml version="1.0" encoding="UTF-8"?>` + "\n" +
		`<soapenv:Envelope xmlns:soapenc="http://schemas.xmlsoap.org/soap/encoding/"` +
		` xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"` +
		` xmlns:xsd="http://www.w3.org/2001/XMLSchema"` +
		` xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>`
	envelopeTail = `</soapenv:Body></soapenv:Envelope>`
)

// fault is an answer that says no: a sentence and a vim25 fault.
type fault struct {
	message string
	detail  types.BaseMethodFault
}

func faultOf(detail types.BaseMethodFault, format string, args ...interface{}) *fault {
	return &fault{message: fmt.Sprintf(format, args...), detail: detail}
}

func systemError(format string, args ...interface{}) *fault {
	text := fmt.Sprintf(format, args...)
	return &fault{message: text, detail: &types.SystemError{Reason: text}}
}

func invalidArgument(name string) *fault {
	return faultOf(&types.InvalidArgument{InvalidProperty: name}, "A specified parameter was not correct: %s", name)
}

func notFoundFault(ref types.ManagedObjectReference) *fault {
	return faultOf(&types.ManagedObjectNotFound{Obj: ref},
		"The object '%s:%s' has already been deleted or has not been completely created", ref.Type, ref.Value)
}

// kind is the fault's vim25 type name.
func (f *fault) kind() string {
	return reflect.TypeOf(f.detail).Elem().Name()
}

// localized is the form faults have inside task results.
func (f *fault) localized() *types.LocalizedMethodFault {
	return &types.LocalizedMethodFault{Fault: f.detail, LocalizedMessage: f.message}
}

func encodeElement(name, space string, typed bool, v interface{}) ([]byte, error) {
	var out bytes.Buffer
	start := xml.StartElement{Name: xml.Name{Local: name}}
	start.Attr = append(start.Attr, xml.Attr{Name: xml.Name{Local: "xmlns"}, Value: space})
	if typed {
		start.Attr = append(start.Attr, xml.Attr{Name: xml.Name{Local: "xsi:type"}, Value: reflect.TypeOf(v).Elem().Name()})
	}
	e := xml.NewEncoder(&out)
	if err := e.EncodeElement(v, start); err != nil {
		return nil, err
	}
	err := e.Flush()
	return out.Bytes(), err
}

// writeResult sends {method}Response; a nil result makes it empty.
func writeResult(w http.ResponseWriter, method, space string, result interface{}) {
	if result == nil {
		result = &struct{}{}
	}
	body, err := encodeElement(method+"Response", space, false, result)
	if err != nil {
		writeFault(w, systemError("answer to %s: %v", method, err))
		return
	}
	writeEnvelope(w, http.StatusOK, body)
}

func writeFault(w http.ResponseWriter, f *fault) {
	detail, err := encodeElement(f.kind()+"Fault", "urn:vim25", true, f.detail)
	if err != nil {
		detail = nil
	}
	var out bytes.Buffer
	out.WriteString(`<soapenv:Fault><faultcode>ServerFaultCode</faultcode><faultstring>`)
	xml.EscapeText(&out, []byte(f.message))
	out.WriteString(`</faultstring><detail>`)
	out.Write(detail)
	out.WriteString(`</detail></soapenv:Fault>`)
	writeEnvelope(w, http.StatusInternalServerError, out.Bytes())
}

func writeEnvelope(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	w.WriteHeader(status)
	out := make([]byte, 0, len(envelopeHead)+len(body)+len(envelopeTail))
	out = append(append(append(out, envelopeHead...), body...), envelopeTail...)
	w.Write(out)
}

// unmarshalReply decodes the library's answer to a method.
func unmarshalReply(method string, raw []byte) (interface{}, error) {
	kind := replyTypes[method]
	if kind == nil {
		return nil, fmt.Errorf("no type for the answer to %s", method)
	}
	var envelope struct {
		Body struct {
			Inner []byte `xml:",innerxml"`
		}
	}
	if err := xml.Unmarshal(raw, &envelope); err != nil {
		return nil, err
	}
	reply := reflect.New(kind).Interface()
	d := xml.NewDecoder(bytes.NewReader(envelope.Body.Inner))
	d.TypeFunc = typeByName
	return reply, d.Decode(reply)
}

// replyTypes are the answers that are read back; the library's table has requests only.
var replyTypes = map[string]reflect.Type{
	"Login":        reflect.TypeOf(types.LoginResponse{}),
	"CloneSession": reflect.TypeOf(types.CloneSessionResponse{}),
}
