// Package machine boots Linux machines that are made of namespaces: each has its
// own network, mounts, processes, host name, IPC and cgroups, a first process
// that starts and restarts its services, and disks that survive a power cut.
//
//	host side                         inside the machine
//	Boot(Spec) ── clone, cgroup ──▶   stage 1: mounts, pivot_root
//	      ◀── "up", or why not ───    stage 2: services, reaping, signals
//	PowerOff ── kill pid 1, cgroup empty, mounts and sockets gone with it
//
// The machine's first process is this very program, started again under the
// name "sandbox-init". The root is an overlay of a directory that is never
// written (the installed system) and a tmpfs; only what Spec.Disks names comes
// from disk. Nothing of a machine is visible in the mounts, sysctls or network
// of the machine it runs on, its cgroup directory apart, and that goes with it.
package machine
