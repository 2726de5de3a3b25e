// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/xml"
)

// methodSpace finds the namespace of the element in the Body, "" where there is none.
func methodSpace(raw []byte) string {
	d := xml.NewDecoder(bytes.NewReader(raw))
	inBody := false
	for {
		token, err := d.Token()
		if err != nil {
			return ""
		}
		start, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		if inBody {
			return start.Name.Space
		}
		inBody = start.Name.Local == "Body"
	}
}
