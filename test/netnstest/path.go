package netnstest

import (
	"fmt"
	"os"
)

// Path is a file that stands for the namespace as long as the test runs, such as
// a container runtime hands to a CNI plugin.
func (n *Namespace) Path() string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), int(n.handle)) }
