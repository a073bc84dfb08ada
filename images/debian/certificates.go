package debian

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// writeBundle makes the one file that programs read certificate authorities
// from, out of the single ones that the package ca-certificates brings: what
// its script would have done. A tree without that package stays without.
func writeBundle(root string) error {
	source := filepath.Join(root, "usr/share/ca-certificates/mozilla")
	entries, err := os.ReadDir(source)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var bundle bytes.Buffer
	for _, entry := range entries {
		certificate, err := os.ReadFile(filepath.Join(source, entry.Name()))
		if err != nil {
			return err
		}
		bundle.Write(bytes.TrimSpace(certificate))
		bundle.WriteByte('\n')
	}
	directory := filepath.Join(root, "etc/ssl/certs")
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(directory, "ca-certificates.crt"), bundle.Bytes(), 0o644)
}
