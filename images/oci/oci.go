// Package oci writes container images as archives, without a container
// engine and without a registry.
//
// The same input gives the same bytes: files are sorted, belong to root and
// carry the time zero. One archive holds the layout of the OCI image
// specification and, beside it, the manifest.json that `docker save` writes,
// so that `ctr images import`, `docker load` and pushing tools such as crane
// and skopeo all take it.
//
// It does not build anything: a layer is a directory that somebody filled.
package oci

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/google/go-containerregistry/pkg/name"
)

// Image is what goes into an archive.
type Image struct {
	// Ref is the complete name that the image is imported under, such as
	// docker.io/hawser/kube-ovn:dev.
	Ref string
	// Architecture is Go's name of it: amd64, arm64.
	Architecture string
	// Layers are directories, lowest first. Hard links, modes and symbolic
	// links are kept; owners, times and extended attributes are not.
	Layers []string

	Entrypoint []string
	Cmd        []string
	Env        []string
	// User is empty for root.
	User   string
	Labels map[string]string
}

// WriteArchive writes the images into one tar file at path, which appears only
// when it is complete. A tool that finds path thus never reads half of it.
func WriteArchive(path string, images ...Image) error {
	if len(images) == 0 {
		return errors.New("an archive needs at least one image")
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("create image archive: %w", err)
	}
	defer os.Remove(tmp.Name()) // gone already after the rename
	err = errors.Join(writeImages(tmp, images), tmp.Chmod(0o644), tmp.Close())
	if err != nil {
		return fmt.Errorf("write image archive %s: %w", path, err)
	}
	return os.Rename(tmp.Name(), path)
}

func (i Image) check() error {
	if _, err := name.NewTag(i.Ref, name.StrictValidation); err != nil {
		return fmt.Errorf("image reference: %w", err)
	}
	if !slices.Contains([]string{"amd64", "arm64"}, i.Architecture) {
		return fmt.Errorf("image %s: architecture %q is neither amd64 nor arm64", i.Ref, i.Architecture)
	}
	if len(i.Layers) == 0 {
		return fmt.Errorf("image %s has no layers", i.Ref)
	}
	return nil
}
