package oci

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// archive is a tar file with the blobs of several images, each written once.
type archive struct {
	tar     *tar.Writer
	written map[v1.Hash]bool
	index   v1.IndexManifest
	docker  tarball.Manifest
}

// writeImages writes blobs, OCI index and Docker manifest, in that order.
func writeImages(w io.Writer, images []Image) error {
	a := archive{
		tar:     tar.NewWriter(w),
		written: map[v1.Hash]bool{},
		index:   v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex},
	}
	for _, image := range images {
		if err := a.add(image); err != nil {
			return err
		}
	}
	if err := a.file("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`)); err != nil {
		return err
	}
	if err := a.json("index.json", a.index); err != nil {
		return err
	}
	if err := a.json("manifest.json", a.docker); err != nil {
		return err
	}
	return a.tar.Close()
}

// add writes one image's layers, config and manifest and enters it into both
// tables of contents.
func (a *archive) add(image Image) error {
	if err := image.check(); err != nil {
		return err
	}
	built, err := build(image)
	if err != nil {
		return fmt.Errorf("image %s: %w", image.Ref, err)
	}
	layers, err := a.layers(built)
	if err != nil {
		return fmt.Errorf("image %s: %w", image.Ref, err)
	}
	config, err := built.RawConfigFile()
	if err != nil {
		return err
	}
	manifest, err := built.RawManifest()
	if err != nil {
		return err
	}
	configPath, err := a.document(config)
	if err != nil {
		return err
	}
	if _, err := a.document(manifest); err != nil {
		return err
	}
	a.docker = append(a.docker, tarball.Descriptor{
		Config: configPath, RepoTags: []string{image.Ref}, Layers: layers,
	})
	return a.describe(image, built)
}

// describe enters the image into the OCI index. containerd takes the name from
// its own annotation, other tools from the standard one.
func (a *archive) describe(image Image, built v1.Image) error {
	digest, err := built.Digest()
	if err != nil {
		return err
	}
	size, err := built.Size()
	if err != nil {
		return err
	}
	a.index.Manifests = append(a.index.Manifests, v1.Descriptor{
		MediaType: types.OCIManifestSchema1, Digest: digest, Size: size,
		Platform: &v1.Platform{OS: "linux", Architecture: image.Architecture},
		Annotations: map[string]string{
			"io.containerd.image.name":          image.Ref,
			"org.opencontainers.image.ref.name": image.Ref,
		},
	})
	return nil
}

// layers writes the image's layers and returns their paths in the archive.
func (a *archive) layers(image v1.Image) ([]string, error) {
	layers, err := image.Layers()
	if err != nil {
		return nil, err
	}
	paths := make([]string, 0, len(layers))
	for _, layer := range layers {
		path, err := a.layer(layer)
		if err != nil {
			return nil, err
		}
		paths = append(paths, path)
	}
	return paths, nil
}

func (a *archive) layer(layer v1.Layer) (string, error) {
	digest, err := layer.Digest()
	if err != nil {
		return "", err
	}
	size, err := layer.Size()
	if err != nil {
		return "", err
	}
	blob, err := layer.Compressed()
	if err != nil {
		return "", err
	}
	defer blob.Close()
	return a.blob(digest, size, blob)
}

// document writes a blob that is in memory and returns its path.
func (a *archive) document(content []byte) (string, error) {
	digest, size, err := v1.SHA256(bytes.NewReader(content))
	if err != nil {
		return "", err
	}
	return a.blob(digest, size, bytes.NewReader(content))
}

// blob writes content under its digest unless an image before had it too.
func (a *archive) blob(digest v1.Hash, size int64, content io.Reader) (string, error) {
	path := "blobs/" + digest.Algorithm + "/" + digest.Hex
	if a.written[digest] {
		return path, nil
	}
	a.written[digest] = true
	return path, a.stream(path, size, content)
}

func (a *archive) json(path string, value any) error {
	content, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return a.file(path, content)
}

func (a *archive) file(path string, content []byte) error {
	return a.stream(path, int64(len(content)), bytes.NewReader(content))
}

func (a *archive) stream(path string, size int64, content io.Reader) error {
	header := &tar.Header{
		Typeflag: tar.TypeReg, Name: path, Size: size, Mode: 0o644, ModTime: time.Unix(0, 0),
	}
	if err := a.tar.WriteHeader(header); err != nil {
		return err
	}
	_, err := io.Copy(a.tar, content)
	return err
}
