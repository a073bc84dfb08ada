package agent

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// File is a file to be on the node: the CNI configuration list.
type File struct {
	Path    string // empty: nothing is written
	Content []byte
}

// write puts the file in place in one step, unless it is there already. Only an
// uninstallation takes it away: without it the node turns NotReady, or hands
// its pods to whichever other list lies beside it.
func (f File) write() error {
	if f.Path == "" {
		return nil
	}
	if have, err := os.ReadFile(f.Path); err == nil && bytes.Equal(have, f.Content) {
		return nil
	}
	fresh, err := os.CreateTemp(filepath.Dir(f.Path), ".*.tmp")
	if err != nil {
		return err
	}
	defer os.Remove(fresh.Name()) // after the rename there is nothing left to remove
	if _, err := fresh.Write(f.Content); err != nil {
		fresh.Close()
		return err
	}
	if err := fresh.Sync(); err != nil {
		fresh.Close()
		return err
	}
	if err := fresh.Close(); err != nil {
		return err
	}
	return os.Rename(fresh.Name(), f.Path)
}

// remove takes the file away, if it is there.
func (f File) remove() error {
	if f.Path == "" {
		return nil
	}
	if err := os.Remove(f.Path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
