package node

import (
	"os"
	"os/exec"
	"testing"
)

// TestEdges runs the tests of our edges on this kernel and with the programs of
// nodes. The machine itself is such a node's root file system.
func TestEdges(t *testing.T) {
	for edge, pattern := range edges {
		t.Run(edge, func(t *testing.T) {
			command := exec.Command("/in/"+edge+"/tests", "-test.timeout=5m", "-test.run="+pattern)
			command.Dir = "/in/" + edge
			command.Env = append(os.Environ(), "OVNTEST_ROOTFS=/")
			out, err := command.CombinedOutput()
			t.Logf("%s", out)
			if err != nil {
				t.Errorf("%s: %v", command, err)
			}
		})
	}
}
