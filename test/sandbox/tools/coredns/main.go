// Program coredns is the cluster's DNS server with only those plugins linked
// that a sandbox's Corefile names.
//
// It lives in a module of its own so that CoreDNS' dependencies stay out of the
// product's go.mod.
package main

import (
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"

	// The plugins, in no order of meaning: Directives below gives theirs.
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/forward"
	_ "github.com/coredns/coredns/plugin/health"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/loadbalance"
	_ "github.com/coredns/coredns/plugin/log"
	_ "github.com/coredns/coredns/plugin/loop"
	_ "github.com/coredns/coredns/plugin/ready"
	_ "github.com/coredns/coredns/plugin/reload"
)

func main() {
	// The order in which a query passes through them, as upstream has it.
	dnsserver.Directives = []string{
		"reload", "health", "ready", "log", "errors", "cache",
		"loadbalance", "loop", "kubernetes", "forward",
	}
	coremain.Run()
}
