package cni

import (
	"encoding/json"

	"hawser/internal/cniwire"
)

// Conflist is the network configuration list for the container runtime: our
// plugin, and after it portmap for host ports. Runtimes older than CNI 1.1 read
// cniVersion; the others take the highest of cniVersions that they know.
func Conflist(socket string) []byte {
	list := map[string]any{
		"name":        "kube-ovn",
		"cniVersion":  "1.0.0",
		"cniVersions": []string{"0.3.1", "0.4.0", "1.0.0", "1.1.0"},
		"plugins": []any{
			map[string]any{"type": cniwire.PluginType, "server_socket": socket},
			map[string]any{"type": "portmap", "capabilities": map[string]bool{"portMappings": true}},
		},
	}
	text, _ := json.MarshalIndent(list, "", "  ") // strings and lists always marshal
	return append(text, '\n')
}
