// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// splitDatastorePath takes "[ds1] web/web.vmdk" apart.
func splitDatastorePath(text string) (name, rest string, err error) {
	end := strings.IndexByte(text, ']')
	if !strings.HasPrefix(text, "[") || end < 2 {
		return "", "", fmt.Errorf("'%s' is no datastore path ('[datastore] folder/file')", text)
	}
	return text[1:end], strings.TrimSpace(text[end+1:]), nil
}

// inside gives the host path of a datastore's file. The result never leaves the datastore's
// directory, neither by "..", nor through a symbolic link.
func (d *datastore) inside(rel string) (string, error) {
	clean := path.Clean("/" + rel)
	full := filepath.Join(d.dir, filepath.FromSlash(clean))
	if strings.ContainsRune(rel, 0) {
		return "", fmt.Errorf("'%s' is no file name", rel)
	}
	real, err := realPath(full)
	if err != nil {
		return "", err
	}
	if real != d.dir && !strings.HasPrefix(real, d.dir+string(filepath.Separator)) {
		return "", fmt.Errorf("'%s' leads out of the datastore", rel)
	}
	return real, nil
}

// realPath resolves the links of as much of a path as exists.
func realPath(full string) (string, error) {
	real, err := filepath.EvalSymlinks(full)
	if err == nil || !os.IsNotExist(err) {
		return real, err
	}
	if _, lerr := os.Lstat(full); lerr == nil {
		return "", fmt.Errorf("'%s' is a dangling link", filepath.Base(full))
	}
	parent, err := realPath(filepath.Dir(full))
	return filepath.Join(parent, filepath.Base(full)), err
}

// hostPath is where the file of a datastore path lies.
func (inv *inventory) hostPath(text string) (string, error) {
	name, rest, err := splitDatastorePath(text)
	if err != nil {
		return "", err
	}
	d := inv.datastoreByName(name)
	if d == nil {
		return "", fmt.Errorf("there is no datastore '%s'", name)
	}
	return d.inside(rest)
}

// folderOf is the datastore folder a file is in.
func folderOf(text string) string {
	if i := strings.LastIndexByte(text, '/'); i >= 0 {
		return text[:i]
	}
	return text[:strings.IndexByte(text, ']')+1]
}

// childOf names a file in a datastore folder.
func childOf(folder, name string) string {
	if strings.HasSuffix(folder, "]") {
		return folder + " " + name
	}
	return folder + "/" + name
}
