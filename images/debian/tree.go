// Package debian makes the file trees that our images stand on from packages
// of Debian 13, for any architecture, without running any of their scripts.
//
// Packages are unpacked, not installed: nothing is executed in the tree, so
// that an arm64 tree comes out of an amd64 machine, and what maintainer scripts
// would have added (a link or two, the bundle of certificates) is added here by
// name. A tree is cached under a name that covers everything which decides its
// content; it is never altered once it is there.
package debian

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	suite   = "trixie"
	mirror  = "http://deb.debian.org/debian"
	keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
	// recipe is raised when this package makes something else of the same Tree.
	recipe = 4
)

// everywhere names what no image needs: it is for people, for apt, or for a
// machine that boots.
var everywhere = []string{
	"boot", "dev/*", "home", "etc/apt", "etc/cron.*", "etc/init.d", "etc/logrotate.d",
	"etc/pam.d", "etc/rc?.d", "etc/systemd", "etc/skel", "media", "mnt", "opt", "srv",
	"usr/games", "usr/include", "usr/lib/apt", "usr/lib/init", "usr/lib/systemd", "usr/lib/udev",
	"usr/lib/python*", "usr/lib/tmpfiles.d", "usr/lib/sysusers.d", "usr/local",
	"usr/lib/*/gconv", "usr/lib/*/perl*", "usr/lib/*/systemd", "usr/lib/*/security",
	"usr/share/bash-completion", "usr/share/bug", "usr/share/common-licenses",
	"usr/share/debconf", "usr/share/doc", "usr/share/doc-base", "usr/share/info",
	"usr/share/lintian", "usr/share/locale", "usr/share/man", "usr/share/menu",
	"usr/share/perl*", "usr/share/pixmaps", "usr/share/python*", "usr/share/zoneinfo",
	"usr/share/zsh", "usr/share/polkit-1", "usr/src",
	"var/backups", "var/cache/*", "var/lib/apt", "var/lib/dpkg", "var/log/*", "var/mail",
	"usr/sbin/dpkg-*", "usr/sbin/update-ca-certificates",
	"var/run", "var/lock", // directories, which the script of base-files replaces
}

// baseLinks are the links that the script of base-files makes.
var baseLinks = map[string]string{"var/run": "/run", "var/lock": "/run/lock"}

// Tree says what is in a tree.
type Tree struct {
	Architecture string
	// Packages are unpacked together with what they depend on.
	Packages []string
	// Drop are globs of what they bring and the image does not need.
	Drop []string
	// Links are symbolic links that maintainer scripts would have made: the
	// key is the link, the value where it points.
	Links map[string]string
}

// Key is equal for two trees of equal content, as far as we decide it: Debian
// may have newer versions of the packages by the time it is built again.
func (t Tree) Key() string {
	description, err := json.Marshal(struct {
		Recipe     int
		Suite      string
		Everywhere []string
		Tree       Tree
	}{recipe, suite, everywhere, t})
	if err != nil {
		panic(err) // strings and maps of strings always have a JSON form
	}
	return fmt.Sprintf("%x", sha256.Sum256(description))[:12]
}

// Build returns the directory of the tree below cache, making it when it is not
// there yet; progress goes to log. Of two processes that build the same tree,
// one waits for the other.
func (t Tree) Build(ctx context.Context, cache string, log io.Writer) (string, error) {
	target := filepath.Join(cache, "image-base-"+t.Key())
	if exists(target) {
		return target, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	unlock, err := lock(target + ".lock")
	if err != nil {
		return "", err
	}
	defer unlock()
	if exists(target) {
		return target, nil
	}
	fmt.Fprintf(log, "unpacking Debian packages for %s: %s\n", t.Architecture, strings.Join(t.Packages, " "))
	return target, t.make(ctx, target)
}

// make builds beside the target and renames, so that nobody finds half a tree.
func (t Tree) make(ctx context.Context, target string) error {
	unfinished := target + ".unfinished"
	if err := os.RemoveAll(unfinished); err != nil {
		return err
	}
	defer os.RemoveAll(unfinished) // gone already after the rename
	for _, step := range []func(string) error{
		func(root string) error { return t.unpack(ctx, root) },
		writeBundle, t.prune, t.link, CheckLibraries,
	} {
		if err := step(unfinished); err != nil {
			return fmt.Errorf("debian tree for %s: %w", t.Architecture, err)
		}
	}
	return os.Rename(unfinished, target)
}

// unpack resolves and unpacks the packages. The check for an emulator is
// skipped because nothing of the tree is run.
func (t Tree) unpack(ctx context.Context, root string) error {
	if _, err := exec.LookPath("mmdebstrap"); err != nil {
		return errors.New("mmdebstrap is missing: run apt-get install mmdebstrap debian-archive-keyring")
	}
	if os.Geteuid() != 0 {
		return errors.New("unpacking needs root: run it with sudo")
	}
	command := exec.CommandContext(ctx, "mmdebstrap", "--quiet",
		"--variant=extract", "--mode=root", "--skip=check/qemu",
		"--architectures="+t.Architecture, "--keyring="+keyring,
		`--aptopt=APT::Install-Recommends "false"`,
		"--include="+strings.Join(t.Packages, ","), suite, root, mirror)
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("mmdebstrap: %w\n%s", err, output)
	}
	return nil
}

func (t Tree) prune(root string) error {
	for _, pattern := range append(everywhere, t.Drop...) {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			return fmt.Errorf("drop %q: %w", pattern, err)
		}
		for _, path := range found {
			if err := os.RemoveAll(path); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t Tree) link(root string) error {
	links := maps.Clone(baseLinks)
	maps.Copy(links, t.Links)
	for link, target := range links {
		path := filepath.Join(root, link)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.Symlink(target, path); err != nil {
			return err
		}
	}
	return nil
}

// lock takes an exclusive lock that ends with the process, and returns how to
// give it up before.
func lock(path string) (func(), error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX); err != nil {
		file.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return func() { file.Close() }, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
