package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"hawser/images/oci"
)

// write makes the archive unless the one that is there has the same key, which
// is kept in a file beside it; it tells whether it wrote.
func (p part) write(archive string) (bool, error) {
	key, err := p.key()
	if err != nil {
		return false, err
	}
	keyFile := archive + ".key"
	if old, err := os.ReadFile(keyFile); err == nil && string(old) == key {
		if _, err := os.Stat(archive); err == nil {
			return false, nil
		}
	}
	if err := os.RemoveAll(keyFile); err != nil {
		return false, err
	}
	if err := oci.WriteArchive(archive, p.Image); err != nil {
		return false, err
	}
	return true, os.WriteFile(keyFile, []byte(key), 0o644)
}

// key covers the image's configuration, the packages below it and every file
// of the layers above them.
func (p part) key() (string, error) {
	hash := sha256.New()
	configuration := p.Image
	configuration.Layers = nil
	if err := json.NewEncoder(hash).Encode(configuration); err != nil {
		return "", err
	}
	fmt.Fprintln(hash, p.baseKey)
	for _, layer := range p.Layers[1:] {
		if err := hashTree(hash, layer); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%x\n", hash.Sum(nil)), nil
}

// hashTree enters name, mode and content of every file below root.
func hashTree(hash io.Writer, root string) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		fmt.Fprintf(hash, "%s %s %x\n", strings.TrimPrefix(path, root), info.Mode(), sha256.Sum256(content))
		return nil
	})
}
