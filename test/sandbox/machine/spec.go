package machine

import "time"

// Spec says everything about a machine that its first process has to know.
type Spec struct {
	Name string
	// Root is the installed system, the lower layer of the machine's root.
	Root string
	// Dir is the machine's directory on the host: its record, its log, its disks.
	Dir string
	// Disks are kept over a power cut: a path in the machine, by name below Dir/disk.
	Disks map[string]string
	// Tools are host directories that the machine sees read-only, by path in the machine.
	Tools map[string]string
	// Files are written on each boot.
	Files []File
	// Shadows are files below /proc/sys that programs in the machine insist on
	// writing although they belong to the whole host: they see and write a
	// private file with this content instead.
	Shadows map[string]string
	// Path is where programs are looked for.
	Path     string
	Services []Service
}

// File is a file of the machine.
type File struct {
	Path    string
	Content []byte
	Mode    uint32
}

// Service is a long-running program that the first process starts, and starts
// again whenever it ends.
type Service struct {
	Name string
	Args []string
	// After is what must be there before the service is started: "file:/path",
	// or, answering, "unix:/path", "tcp:host:port", or an https URL that must
	// return 200. Empty: nothing.
	After string
}

// restartDelay keeps a service that ends at once from eating a core.
const restartDelay = time.Second
