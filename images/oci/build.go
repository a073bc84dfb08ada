package oci

import (
	"compress/gzip"
	"io"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// defaultPath is the PATH of an image that sets none; container runtimes have
// no default of their own.
const defaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// build makes the image in memory; its layers are read when they are written.
func build(image Image) (v1.Image, error) {
	built := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	for _, directory := range image.Layers {
		layer, err := tarball.LayerFromOpener(opener(directory),
			tarball.WithCompressionLevel(gzip.BestSpeed),
			tarball.WithCompressedCaching,
			tarball.WithMediaType(types.OCILayer))
		if err != nil {
			return nil, err
		}
		if built, err = mutate.AppendLayers(built, layer); err != nil {
			return nil, err
		}
	}
	file, err := built.ConfigFile()
	if err != nil {
		return nil, err
	}
	return mutate.ConfigFile(built, configure(file.DeepCopy(), image))
}

// configure fills the image's configuration; the list of layers is there.
func configure(file *v1.ConfigFile, image Image) *v1.ConfigFile {
	file.OS, file.Architecture = "linux", image.Architecture
	file.Created = v1.Time{Time: time.Unix(0, 0).UTC()}
	file.Config = v1.Config{
		Entrypoint: image.Entrypoint, Cmd: image.Cmd, User: image.User,
		Labels: image.Labels, WorkingDir: "/", Env: image.Env,
	}
	if !slices.ContainsFunc(image.Env, setsPath) {
		file.Config.Env = append([]string{defaultPath}, image.Env...)
	}
	return file
}

func setsPath(entry string) bool { return strings.HasPrefix(entry, "PATH=") }

// opener streams the layer anew each time it is asked, so that no layer has to
// be on disk or in memory uncompressed.
func opener(directory string) tarball.Opener {
	return func() (io.ReadCloser, error) {
		reader, writer := io.Pipe()
		go func() { writer.CloseWithError(writeLayer(writer, directory)) }()
		return reader, nil
	}
}
