// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/vmware/govmomi/vim25/types"
)

// profile is a generation of servers: what they call themselves and which versions they speak.
type profile struct {
	apiVersion string
	version    string
	build      string
	prior      []string
	nfc        string // version of the urn:nfc namespace, where it is announced
}

func profileOf(conf *config) profile {
	old := []string{"6.5", "6.0", "5.5", "5.1", "5.0", "4.1", "4.0", "2.5u2", "2.5", "2.0"}
	six7 := append([]string{"6.7.2", "6.7.1", "6.7"}, old...)
	seven := append([]string{"7.0.2.0", "7.0.1.0", "7.0.0.0", "6.9.1", "6.8.7", "6.7.3"}, six7...)
	switch {
	case conf.Profile == 6 && *conf.NfcVersion == 0:
		return profile{apiVersion: "6.0", version: "6.0.0", build: "3620759", prior: old[2:]}
	case conf.Profile == 6:
		return profile{apiVersion: "6.7.3", version: "6.7.0", build: "17700523", prior: six7}
	case conf.Profile == 7:
		return profile{apiVersion: "7.0.3.0", version: "7.0.3", build: "21477706", prior: seven, nfc: "7.0.3.0"}
	}
	prior := append([]string{"8.0.1.0", "8.0.0.1", "8.0.0.0", "7.0.3.2", "7.0.3.1", "7.0.3.0"}, seven...)
	return profile{apiVersion: "8.0.2.0", version: "8.0.2", build: "22617221", prior: prior, nfc: "7.0.3.2"}
}

// tell makes the service content announce the profile.
func (p profile) tell(about *types.AboutInfo) {
	about.ApiVersion, about.Version, about.Build = p.apiVersion, p.version, p.build
	about.FullName = fmt.Sprintf("%s %s build-%s", about.Name, p.version, p.build)
	about.LicenseProductVersion = p.version[:3]
}

// writeVersions answers vimServiceVersions.xml; like a real server it names an internal version first.
func (p profile) writeVersions(w io.Writer) {
	writeNamespace(w, "urn:vim25", p.apiVersion, p.prior)
}

func (p profile) writeNfcVersions(w io.Writer) {
	writeNamespace(w, "urn:nfc", p.nfc, nil)
}

func writeNamespace(w io.Writer, name, version string, prior []string) {
	var list strings.Builder
	for _, v := range prior {
		fmt.Fprintf(&list, "\n   <version>%s</version>", v)
	}
	fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8" ?>
<namespaces version="1.0">
 <namespace>
  <name>%s</name>
  <version>%s</version>
  <priorVersions>%s
  </priorVersions>
 </namespace>
</namespaces>
`, name, version, list.String())
}
