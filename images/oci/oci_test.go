package oci

import (
	"archive/tar"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

const ref = "docker.io/hawser/test:dev"

func write(t *testing.T, path, content string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// tree is a layer with one of everything; its times differ from call to call.
func tree(t *testing.T, stamp time.Time) string {
	root := t.TempDir()
	write(t, root+"/bin/tool", "tool", 0o755)
	write(t, root+"/etc/secret", "secret", 0o640)
	if err := errors.Join(
		os.Symlink("bin/tool", root+"/link"),
		os.Link(root+"/bin/tool", root+"/bin/zz-hard"),
		os.Mkdir(root+"/tmp", 0o755), os.Chmod(root+"/tmp", 0o777|os.ModeSticky),
		os.Chtimes(root+"/bin/tool", stamp, stamp),
	); err != nil {
		t.Fatal(err)
	}
	return root
}

func image(layers ...string) Image {
	return Image{
		Ref: ref, Architecture: "arm64", Layers: layers,
		Entrypoint: []string{"/bin/tool"}, Cmd: []string{"serve"},
		Env: []string{"MODE=fast"}, User: "65532", Labels: map[string]string{"a": "b"},
	}
}

func TestSameInputGivesSameBytes(t *testing.T) {
	var archives [2][]byte
	for i := range archives {
		path := filepath.Join(t.TempDir(), "a.tar")
		second := image(tree(t, time.Unix(int64(i)*1000, 0)))
		second.Ref = "docker.io/hawser/other:dev"
		second.Architecture = "amd64"
		if err := WriteArchive(path, image(tree(t, time.Now())), second); err != nil {
			t.Fatal(err)
		}
		archives[i], _ = os.ReadFile(path)
	}
	if !slices.Equal(archives[0], archives[1]) {
		t.Error("two archives of the same tree differ")
	}
}

// Docker and pushing tools open the archive by its manifest.json.
func TestOpensAsDockerArchive(t *testing.T) {
	upper := t.TempDir()
	write(t, upper+"/bin/tool", "newer", 0o755)
	path := filepath.Join(t.TempDir(), "a.tar")
	if err := WriteArchive(path, image(tree(t, time.Now()), upper)); err != nil {
		t.Fatal(err)
	}
	tag, _ := name.NewTag(ref)
	got, err := tarball.ImageFromPath(path, &tag)
	if err != nil {
		t.Fatal(err)
	}
	checkImage(t, got)
}

// containerd opens it by its index.json.
func TestOpensAsOCILayout(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.tar")
	upper := t.TempDir()
	write(t, upper+"/bin/tool", "newer", 0o755)
	if err := WriteArchive(path, image(tree(t, time.Now()), upper)); err != nil {
		t.Fatal(err)
	}
	directory := unpack(t, path)
	index, err := layout.ImageIndexFromPath(directory)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil || len(manifest.Manifests) != 1 {
		t.Fatalf("index: %v, %v", manifest, err)
	}
	if got := manifest.Manifests[0].Annotations["io.containerd.image.name"]; got != ref {
		t.Errorf("containerd would call it %q", got)
	}
	got, err := index.Image(manifest.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	checkImage(t, got)
}

func checkImage(t *testing.T, got v1.Image) {
	t.Helper()
	if err := validate.Image(got); err != nil {
		t.Error(err)
	}
	file, err := got.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if file.Architecture != "arm64" || file.OS != "linux" {
		t.Errorf("platform is %s/%s", file.OS, file.Architecture)
	}
	want := v1.Config{
		Entrypoint: []string{"/bin/tool"}, Cmd: []string{"serve"}, User: "65532", WorkingDir: "/",
		Env: []string{defaultPath, "MODE=fast"}, Labels: map[string]string{"a": "b"},
	}
	if diff := cmp.Diff(want, file.Config); diff != "" {
		t.Errorf("config (-want +got):\n%s", diff)
	}
	layers, _ := got.Layers()
	if len(layers) != 2 {
		t.Fatalf("%d layers", len(layers))
	}
	content, err := layers[0].Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	checkEntries(t, content)
}

func checkEntries(t *testing.T, content io.Reader) {
	t.Helper()
	type entry struct {
		Name, Link string
		Type       byte
		Mode       int64
	}
	want := []entry{
		{"bin/", "", tar.TypeDir, 0o755},
		{"bin/tool", "", tar.TypeReg, 0o755},
		{"bin/zz-hard", "bin/tool", tar.TypeLink, 0o755},
		{"etc/", "", tar.TypeDir, 0o755},
		{"etc/secret", "", tar.TypeReg, 0o640},
		{"link", "bin/tool", tar.TypeSymlink, 0o777},
		{"tmp/", "", tar.TypeDir, 0o1777},
	}
	var got []entry
	reader := tar.NewReader(content)
	for {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, entry{header.Name, header.Linkname, header.Typeflag, header.Mode})
		if !header.ModTime.Equal(time.Unix(0, 0)) || header.Uid != 0 || header.Gid != 0 {
			t.Errorf("%s: time %s, owner %d:%d", header.Name, header.ModTime, header.Uid, header.Gid)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
}

func unpack(t *testing.T, path string) string {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	root := t.TempDir()
	reader := tar.NewReader(file)
	for {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return root
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(reader)
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(root, header.Name), string(content), 0o644)
	}
}

func TestRefusesWhatCannotWork(t *testing.T) {
	fifo := t.TempDir()
	if err := syscall.Mkfifo(fifo+"/pipe", 0o600); err != nil {
		t.Fatal(err)
	}
	good := t.TempDir()
	for name, images := range map[string][]Image{
		"no image":          nil,
		"short reference":   {{Ref: "kube-ovn", Architecture: "amd64", Layers: []string{good}}},
		"no architecture":   {{Ref: ref, Layers: []string{good}}},
		"no layers":         {{Ref: ref, Architecture: "amd64"}},
		"missing directory": {image(good + "/absent")},
		"a pipe":            {image(fifo)},
	} {
		directory := t.TempDir()
		if err := WriteArchive(directory+"/a.tar", images...); err == nil {
			t.Errorf("%s: no error", name)
		}
		if left, _ := os.ReadDir(directory); len(left) != 0 {
			t.Errorf("%s: left %v behind", name, left)
		}
	}
}
