// Package tools builds the programs and images that a sandbox needs and keeps
// them in a cache outside the source tree.
//
// Everything is built from source or taken from Debian packages. What is built
// lies under a name that covers all that decides its content: an entry is never
// altered once it is there, so that a sandbox may stand on it while another
// version is built. The programs with large dependencies are Go modules of
// their own, in the directories below this one.
package tools

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"hawser/test/rootfs"
)

// Set is where the built things lie.
type Set struct {
	// Rootfs is the Debian 13 tree that machines boot from.
	Rootfs string
	// Kubernetes is a directory with kubelet, kubectl and the others.
	Kubernetes string
	// Helm and Agnhost are programs.
	Helm, Agnhost string
	// Images are archives that every node imports.
	Images []string
}

// Builder builds what is missing in the cache.
type Builder struct {
	// Source is the root of the source tree.
	Source string
	// Cache is where results lie.
	Cache string
	// Say tells a person what is going on when it takes long.
	Say func(format string, args ...any)
}

// CacheDir is where everybody in the project keeps what is built once.
func CacheDir() string {
	if dir := os.Getenv("HAWSER_CACHE"); dir != "" {
		return dir
	}
	return "/var/cache/hawser"
}

// Versions are those of the modules' go.mod files.
const (
	kubernetesVersion = "v1.37.0"
	helmVersion       = "v3.21.4"
)

// kubernetesPrograms are the names under which the one program is called.
var kubernetesPrograms = []string{
	"kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl",
}

// Build returns everything, building what is not there.
func (b Builder) Build(ctx context.Context) (Set, error) {
	var set Set
	var err error
	if set.Rootfs, err = rootfs.Build(ctx, b.Source, b.Cache, os.Stderr); err != nil {
		return set, err
	}
	if set.Kubernetes, err = b.module(ctx, "kubernetes", program{name: "kubernetes", pkg: ".", links: kubernetesPrograms, stamps: kubernetesStamps()}); err != nil {
		return set, err
	}
	agnhost, err := b.module(ctx, "kubernetes", program{name: "agnhost", pkg: "k8s.io/kubernetes/test/images/agnhost"})
	if err != nil {
		return set, err
	}
	set.Agnhost = filepath.Join(agnhost, "agnhost")
	if set.Helm, err = b.Helm(ctx); err != nil {
		return set, err
	}
	coredns, err := b.module(ctx, "coredns", program{name: "coredns", pkg: "."})
	if err != nil {
		return set, err
	}
	pause, err := b.module(ctx, "pause", program{name: "pause", pkg: "."})
	if err != nil {
		return set, err
	}
	set.Images, err = b.images(set, filepath.Join(coredns, "coredns"), filepath.Join(pause, "pause"))
	return set, err
}

// Helm returns helm alone, building it when it is not there.
func (b Builder) Helm(ctx context.Context) (string, error) {
	dir, err := b.module(ctx, "helm", program{name: "helm", pkg: "helm.sh/helm/v3/cmd/helm", stamps: helmStamps()})
	return filepath.Join(dir, "helm"), err
}

// program is what is built from a module.
type program struct {
	name, pkg string
	// links are other names of it, put beside it.
	links []string
	// stamps are variables that the linker sets: "package.name=value".
	stamps []string
}

func (p program) flags() string {
	flags := "-s -w"
	for _, stamp := range p.stamps {
		flags += " -X " + stamp
	}
	return flags
}

// kubernetesStamps tell Kubernetes' programs what they are. Without a version
// kubectl does not answer, and Helm cannot tell what the cluster can do.
func kubernetesStamps() []string {
	major, rest, _ := strings.Cut(strings.TrimPrefix(kubernetesVersion, "v"), ".")
	minor, _, _ := strings.Cut(rest, ".")
	var stamps []string
	for _, pkg := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		stamps = append(stamps, pkg+".gitVersion="+kubernetesVersion, pkg+".gitMajor="+major, pkg+".gitMinor="+minor, pkg+".gitTreeState=clean")
	}
	return stamps
}

// helmStamps tell Helm what it is, and which Kubernetes it renders for where it
// has none to ask.
func helmStamps() []string {
	stamps := []string{"helm.sh/helm/v3/internal/version.version=" + helmVersion}
	for _, pkg := range []string{"helm.sh/helm/v3/pkg/chartutil", "helm.sh/helm/v3/pkg/lint/rules"} {
		stamps = append(stamps, pkg+".k8sVersionMajor=1", pkg+".k8sVersionMinor=37")
	}
	return stamps
}

// module builds one program and returns the directory it lies in.
func (b Builder) module(ctx context.Context, dir string, p program) (string, error) {
	source := filepath.Join(b.Source, "test/sandbox/tools", dir)
	key, err := moduleKey(source, p)
	if err != nil {
		return "", err
	}
	return b.entry(p.name+"-"+key, func(into string) error {
		b.Say("building %s from its Go module (minutes, the first time)", p.name)
		// Low priority: a build must not starve a sandbox that runs beside it.
		command := exec.CommandContext(ctx, "nice", "go", "build", "-trimpath", "-ldflags="+p.flags(), "-o", filepath.Join(into, p.name), p.pkg)
		command.Dir = source
		// The same for all of them, so that packages are compiled once.
		command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=-mod=readonly -buildvcs=false")
		if out, err := command.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s in %s: %w\n%s", p.name, source, err, out)
		}
		for _, link := range p.links {
			if err := os.Symlink(p.name, filepath.Join(into, link)); err != nil {
				return err
			}
		}
		return nil
	})
}

// moduleKey covers the module's files and what builds them.
func moduleKey(source string, p program) (string, error) {
	files, err := filepath.Glob(filepath.Join(source, "*"))
	if err != nil {
		return "", err
	}
	hash := sha256.New()
	fmt.Fprintln(hash, runtime.Version(), p)
	slices.Sort(files)
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(hash, "%s %d\n%s", filepath.Base(file), len(content), content)
	}
	return fmt.Sprintf("%x", hash.Sum(nil))[:12], nil
}

// entry returns the cache's directory of that name; make fills it when it is
// not there. Of several processes that want it, one makes it.
func (b Builder) entry(name string, fill func(into string) error) (string, error) {
	target := filepath.Join(b.Cache, name)
	if exists(target) {
		return target, nil
	}
	if err := os.MkdirAll(b.Cache, 0o755); err != nil {
		return "", err
	}
	lock, err := os.OpenFile(target+".lock", os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return "", err
	}
	defer lock.Close() // which is also what unlocks
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return "", fmt.Errorf("lock %s: %w", lock.Name(), err)
	}
	if exists(target) {
		return target, nil
	}
	tmp := target + ".tmp"
	if err := errors.Join(os.RemoveAll(tmp), os.Mkdir(tmp, 0o755)); err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp) // gone already after the rename
	if err := fill(tmp); err != nil {
		return "", err
	}
	return target, os.Rename(tmp, target)
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}
