package vm

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// kernelLine is the kernel's command line. What checks for hardware faults or
// guards against neighbours costs time under emulation and shows nothing there;
// the check of the timer fails where the emulator gets too little time for it.
const kernelLine = "console=ttyS0,115200 loglevel=4 quiet panic=-1 oops=panic nokaslr mitigations=off random.trust_cpu=on " +
	"no_timer_check no5lvl audit=0 selinux=0 apparmor=0 tsc=reliable net.ifnames=0 nowatchdog rcupdate.rcu_cpu_stall_suppress=1 cgroup_no_v1=all"

// emulator prepares qemu out of the images, through its own loader: the machine
// that tests run on need not have it.
func (r run) emulator(ctx context.Context) *exec.Cmd {
	tree := filepath.Join(r.images, "emulator/usr")
	args := []string{
		"--library-path", tree + "/lib/x86_64-linux-gnu", tree + "/bin/qemu-system-x86_64",
		"-L", tree + "/share/qemu", "-L", tree + "/share/seabios",
		"-machine", "q35,usb=off,graphics=off",
		"-accel", "tcg,thread=multi,tb-size=512", "-cpu", "max,la57=off",
		"-smp", fmt.Sprint(processors), "-m", fmt.Sprint(memory),
		"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
		"-kernel", r.images + "/vmlinuz", "-initrd", r.images + "/initrd", "-append", kernelLine,
		"-serial", "file:" + r.path("kernel.log"),
		"-device", "virtio-rng-pci", "-device", "virtio-serial-pci",
	}
	args = append(args, disk("root", r.images+"/root.ext4", "snapshot=on")...)
	args = append(args, disk("in", r.path("in.img"), "readonly=on")...)
	args = append(args, disk("out", r.path("out.img"), "cache=unsafe")...)
	if r.State != "" {
		args = append(args, disk("state", r.State, "cache=writeback")...)
	}
	args = append(args, port("output", "file,path=/proc/self/fd/1")...)
	args = append(args, port("code", "file,path="+r.path("code"))...)
	args = append(args, r.network()...)
	command := exec.CommandContext(ctx, tree+"/lib64/ld-linux-x86-64.so.2", args...)
	// Wrapped, the output is a pipe, which qemu can open as a file once more.
	command.Stdout, command.Stderr, command.SysProcAttr = struct{ io.Writer }{r.Output}, os.Stderr, kill
	return command
}

// disk is a disk that the machine knows by its serial number. The root's
// snapshot is thrown away, so its file is never written.
func disk(name, file, option string) []string {
	return []string{
		"-drive", fmt.Sprintf("file=%s,format=raw,if=none,id=%s,%s", file, name, option),
		"-device", fmt.Sprintf("virtio-blk-pci,drive=%s,serial=%s", name, name),
	}
}

// port is a serial port that the machine knows by its name. Unlike a console it
// passes on bytes as they are.
func port(name, backend string) []string {
	kind, rest, _ := strings.Cut(backend, ",")
	return []string{
		"-chardev", fmt.Sprintf("%s,id=%s,%s", kind, name, rest),
		"-device", fmt.Sprintf("virtserialport,chardev=%s,name=%s", name, name),
	}
}

// network is qemu's own network, in which Host is this machine's loopback.
func (r run) network() []string {
	if !r.Loopback {
		return nil
	}
	return []string{"-netdev", "user,id=host", "-device", "virtio-net-pci,netdev=host,romfile="}
}
