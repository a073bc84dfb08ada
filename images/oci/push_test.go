package oci

import (
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// What an operator without Docker does: push the archive to a registry, from
// which nodes then pull.
func TestPushedToARegistry(t *testing.T) {
	upper := t.TempDir()
	write(t, upper+"/bin/tool", "newer", 0o755)
	path := filepath.Join(t.TempDir(), "a.tar")
	if err := WriteArchive(path, image(tree(t, time.Now()), upper)); err != nil {
		t.Fatal(err)
	}
	archived, err := tarball.ImageFromPath(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(registry.New())
	defer server.Close()
	at, err := name.ParseReference(strings.TrimPrefix(server.URL, "http://") + "/hawser/test:dev")
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(at, archived); err != nil {
		t.Fatal(err)
	}
	pulled, err := remote.Image(at)
	if err != nil {
		t.Fatal(err)
	}
	checkImage(t, pulled)
}
