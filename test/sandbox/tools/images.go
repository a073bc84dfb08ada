package tools

import (
	"crypto/sha256"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"hawser/images/oci"
)

// The images' names are upstream's, so that manifests and upstream's tests run
// unchanged and no registry is needed.
const (
	pauseImage   = "registry.k8s.io/pause:3.10.2"
	agnhostImage = "registry.k8s.io/e2e-test-images/agnhost:2.63.0"
	// CoreDNSTag is the version in tools/coredns/go.mod.
	CoreDNSTag   = "v1.14.6"
	corednsImage = "registry.k8s.io/coredns/coredns:" + CoreDNSTag
)

// imageRecipe is raised when the functions below make something else of the
// same inputs.
const imageRecipe = 1

// images writes the archives of the images that are not ours to ship.
func (b Builder) images(set Set, coredns, pause string) ([]string, error) {
	key := sha256.Sum256(fmt.Appendln(nil, imageRecipe, set, coredns, pause, borrowed, applets))
	dir, err := b.entry(fmt.Sprintf("sandbox-images-%x", key[:6]), func(into string) error {
		b.Say("writing the images of agnhost, CoreDNS and pause")
		return writeImages(into, set, coredns, pause)
	})
	if err != nil {
		return nil, fmt.Errorf("write images: %w", err)
	}
	return filepath.Glob(filepath.Join(dir, "*.tar"))
}

func writeImages(into string, set Set, coredns, pause string) error {
	work, err := os.MkdirTemp(filepath.Dir(into), "image-work-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	for _, image := range []struct {
		file string
		fill func(root string) error
		oci.Image
	}{
		{"pause.tar", func(root string) error { return copyFile(pause, root+"/pause") }, oci.Image{
			Ref: pauseImage, Entrypoint: []string{"/pause"}, User: "65535:65535",
		}},
		{"coredns.tar", func(root string) error { return copyFile(coredns, root+"/coredns") }, oci.Image{
			Ref: corednsImage, Entrypoint: []string{"/coredns"}, User: "65532:65532",
		}},
		{"agnhost.tar", func(root string) error { return fillAgnhost(root, set) }, oci.Image{
			Ref: agnhostImage, Entrypoint: []string{"/agnhost"}, Cmd: []string{"pause"},
			Env: []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
		}},
	} {
		root := filepath.Join(work, image.file)
		if err := os.Mkdir(root, 0o755); err != nil {
			return err
		}
		if err := image.fill(root); err != nil {
			return fmt.Errorf("%s: %w", image.Ref, err)
		}
		image.Architecture, image.Layers = "amd64", []string{root}
		if err := oci.WriteArchive(filepath.Join(into, image.file), image.Image); err != nil {
			return err
		}
	}
	return nil
}

// borrowed are the real tools that upstream's tests call in agnhost, as paths
// in the root file system. busybox's own nc, ip and ping differ too much.
var borrowed = []string{
	"usr/bin/dash", "usr/bin/bash", "usr/bin/curl", "usr/bin/dig", "usr/bin/ss", "usr/bin/ip", "usr/bin/ping",
	"usr/bin/nc.openbsd", "usr/bin/arping", "usr/bin/iperf3", "usr/bin/tcpdump", "usr/bin/nsenter", "usr/bin/busybox",
	"usr/sbin/ethtool", "usr/sbin/sysctl",
}

// applets are links to busybox for the rest of what scripts expect. Its shell
// is not among them: that would run applets before looking at PATH, and so
// busybox's nc before the real one.
var applets = strings.Fields("ls cat cp mv rm mkdir rmdir ln chmod chown echo printf test true false sleep date env id " +
	"hostname grep sed awk cut head tail sort uniq wc tr tee xargs seq expr find stat touch timeout kill ps top df du mount " +
	"umount uname whoami which wget nslookup traceroute ifconfig route netstat md5sum sha256sum dd vi less yes usleep base64")

// fillAgnhost lays out agnhost with the tools that tests run beside it.
func fillAgnhost(root string, set Set) error {
	for _, dir := range []string{"etc", "tmp", "uploads", "root", "proc", "sys", "dev", "run", "var", "home", "usr/bin", "usr/sbin", "usr/lib"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			return err
		}
	}
	if err := os.Chmod(root+"/tmp", 0o777|os.ModeSticky); err != nil {
		return err
	}
	links := map[string]string{
		"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64", "agnhost-2": "agnhost",
		"usr/bin/sh": "dash", "usr/bin/nc": "nc.openbsd", "usr/sbin/ip": "../bin/ip", "var/run": "../run",
	}
	for _, applet := range applets {
		links["usr/bin/"+applet] = "busybox"
	}
	for link, target := range links {
		if err := os.Symlink(target, filepath.Join(root, link)); err != nil {
			return err
		}
	}
	for path, content := range map[string]string{
		"etc/passwd":        "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\nuser-defined-in-image:x:1000:1000::/:/bin/sh\n",
		"etc/group":         "root:x:0:\nnobody:x:65534:\nuser-defined-in-image:x:1000:\ngroup-defined-in-image:x:50000:user-defined-in-image\n",
		"etc/nsswitch.conf": "hosts: files dns\n",
	} {
		if err := os.WriteFile(filepath.Join(root, path), []byte(content), 0o644); err != nil {
			return err
		}
	}
	if err := copyFile(set.Agnhost, filepath.Join(root, "agnhost")); err != nil {
		return err
	}
	return borrow(set.Rootfs, root)
}

// borrow copies the tools with the libraries that they need, and those that
// libc opens by name.
func borrow(from, root string) error {
	queue := append(slices.Clone(borrowed), "usr/lib/x86_64-linux-gnu/libnss_dns.so.2", "usr/lib/x86_64-linux-gnu/libnss_files.so.2",
		"usr/lib/x86_64-linux-gnu/libresolv.so.2", "usr/lib64/ld-linux-x86-64.so.2")
	taken := map[string]bool{}
	for len(queue) > 0 {
		path := queue[0]
		queue = queue[1:]
		if taken[path] {
			continue
		}
		taken[path] = true
		if err := copyFile(filepath.Join(from, path), filepath.Join(root, path)); err != nil {
			return err
		}
		libraries, err := imports(filepath.Join(from, path))
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		for _, library := range libraries {
			found := locate(from, library)
			if found == "" {
				return fmt.Errorf("%s needs %s, which the root file system lacks", path, library)
			}
			queue = append(queue, found)
		}
	}
	return nil
}

func imports(path string) ([]string, error) {
	file, err := elf.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return file.ImportedLibraries()
}

// locate finds a library where Debian's loader looks for it.
func locate(from, library string) string {
	for _, dir := range []string{"usr/lib/x86_64-linux-gnu", "usr/lib64", "usr/lib"} {
		if _, err := os.Stat(filepath.Join(from, dir, library)); err == nil {
			return filepath.Join(dir, library)
		}
	}
	return ""
}

// copyFile copies content and mode, following links.
func copyFile(from, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	info, err := source.Stat()
	if err != nil {
		return err
	}
	target, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_EXCL, info.Mode().Perm())
	if err != nil {
		return err
	}
	_, err = io.Copy(target, source)
	return errors.Join(err, target.Close())
}
