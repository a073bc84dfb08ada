// Package cniclient is the CNI plugin without its main function: it hands what
// the container runtime asks for to the node agent and gives the agent's answer
// back in the runtime's version of CNI. It decides nothing by itself and keeps
// nothing, so that a plugin may be killed at any time.
//
// The one thing it does itself is to set IPv6 up in the pod's network
// namespace: /proc/sys is read-only in the agent's container, while the plugin
// runs as a process of the host.
package cniclient
