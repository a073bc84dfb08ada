package vm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Input is one run of the machine.
type Input struct {
	// Files lie in /in: name there → path here.
	Files map[string]string
	// Script is run by bash, with /in as the place of the files. What it writes
	// to /out is handed back.
	Script string
	// Output takes what the script prints, as it prints it.
	Output io.Writer
	// Out is a directory that is made anew and gets the machine's /out and the
	// kernel's log; empty throws both away.
	Out string
	// State is a disk, made by MakeState, that lies in /state and outlives the run.
	// Of a machine whose run is cut off it has what was flushed.
	State string
	// Loopback gives the machine an interface eth0 through which it reaches the
	// loopback of the one it runs on, as Host.
	Loopback bool

	atEnd []func()
}

// AtEnd has something done once the machine has ended, however it does; what was
// said last is done first. It is for what Main's prepare has made.
func (in *Input) AtEnd(do func()) { in.atEnd = append(in.atEnd, do) }

// Host stands for the loopback of the machine that runs this one. The script
// gives eth0 an address of the same /24, and no default route.
const Host = "10.0.2.2"

// What the machine has: MiB of memory, and processors.
const (
	memory     = 3072
	processors = 2
)

// outSize limits what a run can hand back, in bytes. The file is sparse.
const outSize = 1 << 30

// ErrMachine says that the machine itself did not run to its end: what the
// script would have said is not known.
var ErrMachine = errors.New("the virtual machine did not run to its end")

// stateSize is that of a State, in bytes. The file is sparse.
const stateSize = 256 << 20

// MakeState makes a disk for Input.State, in a file that is not there yet.
func MakeState(ctx context.Context, path string) error {
	if err := empty(path, stateSize); err != nil {
		return err
	}
	return format(ctx, path)
}

// mountState finds a State by its serial number.
const mountState = `for block in /sys/block/vd*; do
	if [ "$(cat "$block/serial")" = state ]; then mkdir /state && mount "/dev/${block##*/}" /state; fi
done
`

// Run starts the machine, runs the script and gives its exit code. The
// machine ends with the context.
func Run(ctx context.Context, in Input) (code int, err error) {
	images, err := build(ctx)
	if err != nil {
		return 0, err
	}
	work, err := os.MkdirTemp("", "hawser-vm-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(work)
	r := run{Input: in, images: images, work: work}
	if err := r.prepare(ctx); err != nil {
		return 0, fmt.Errorf("prepare the virtual machine: %w", err)
	}
	failed := r.emulator(ctx).Run()
	if err := r.keep(ctx); err != nil {
		return 0, err
	}
	return r.verdict(failed)
}

// build returns the folder that hack/vm.sh makes.
func build(ctx context.Context) (string, error) {
	module, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("find the source tree: %w", err)
	}
	script := filepath.Join(filepath.Dir(strings.TrimSpace(string(module))), "hack", "vm.sh")
	command := exec.CommandContext(ctx, script)
	command.Stderr = os.Stderr // a build takes minutes: show that it goes on
	out, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("build the virtual machine's images with %s: %w", script, err)
	}
	return strings.TrimSpace(string(out)), nil
}

// run is one run in its folder.
type run struct {
	Input
	images, work string
}

func (r run) path(name string) string { return filepath.Join(r.work, name) }

// prepare makes the two disks: the files that go in, and room for what comes out.
func (r run) prepare(ctx context.Context) error {
	in := r.path("in")
	if err := os.Mkdir(in, 0o755); err != nil {
		return err
	}
	size := int64(16 << 20) // for the file system itself
	for name, source := range r.Files {
		info, err := os.Stat(source)
		if err != nil {
			return err
		}
		size += info.Size() + 8192
		if err := place(source, filepath.Join(in, name)); err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(in, "run"), []byte("#!/bin/bash\n"+mountState+r.Script), 0o755); err != nil {
		return err
	}
	disk := r.path("in.img")
	if err := errors.Join(empty(disk, size+size/16), empty(r.path("out.img"), outSize)); err != nil {
		return err
	}
	return format(ctx, disk, "-O", "^has_journal", "-d", in)
}

// format makes a file system in a file.
func format(ctx context.Context, disk string, options ...string) error {
	out, err := exec.CommandContext(ctx, "mke2fs", append([]string{"-q", "-t", "ext4", "-m", "0"}, append(options, disk)...)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("make a file system in %s: %w: %s", disk, err, out)
	}
	return nil
}

// empty makes a sparse file.
func empty(path string, size int64) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(file.Truncate(size), file.Close())
}

// place lets a name stand for a file: by a second name where both are on one
// file system, else by a copy.
func place(source, target string) error {
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	if os.Link(source, target) == nil {
		return nil
	}
	content, err := os.Open(source)
	if err != nil {
		return err
	}
	defer content.Close()
	info, err := content.Stat()
	if err != nil {
		return err
	}
	file, err := os.OpenFile(target, os.O_CREATE|os.O_WRONLY|os.O_EXCL, info.Mode().Perm())
	if err != nil {
		return err
	}
	_, err = io.Copy(file, content)
	return errors.Join(err, file.Close())
}

// keep unpacks what the run handed back.
func (r run) keep(ctx context.Context) error {
	if r.Out == "" {
		return nil
	}
	if err := errors.Join(os.RemoveAll(r.Out), os.MkdirAll(r.Out, 0o755)); err != nil {
		return err
	}
	if err := place(r.path("kernel.log"), filepath.Join(r.Out, "kernel.log")); err != nil {
		return err
	}
	// A machine that died has written no archive.
	_ = exec.CommandContext(context.WithoutCancel(ctx), "tar", "-xf", r.path("out.img"), "-C", r.Out).Run()
	return nil
}

// verdict reads the exit code that the machine's process 1 left.
func (r run) verdict(failed error) (int, error) {
	text, _ := os.ReadFile(r.path("code"))
	if code, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
		return code, nil
	}
	log, _ := os.ReadFile(r.path("kernel.log"))
	lines := strings.Split(strings.TrimSpace(string(log)), "\n")
	last := strings.Join(lines[max(0, len(lines)-30):], "\n")
	return 0, errors.Join(ErrMachine, failed, errors.New("the kernel's last words:\n"+last))
}

// kill ends the emulator together with the test process, however that ends.
var kill = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
