// Package cniwire is what the CNI plugin and the node agent say to each other:
// one request and one response as JSON, over HTTP on the agent's Unix socket.
// It also reads what a container runtime hands to a plugin. It is pure.
//
//	kubelet ─ containerd ─exec─▶ plugin ──POST /cni/v1/<verb>──▶ agent
//	                      ◀stdout─       ◀──── Response ───────
//
// The path carries the version: plugin and agent are upgraded one after the
// other, so that a field may be added to version 1 but not change its meaning.
package cniwire
