package ovntest

import (
	"strings"
	"testing"
	"time"
)

func TestTraceFollowsAPacket(t *testing.T) {
	began := time.Now()
	n := Start(t)
	t.Logf("both databases and northd are up after %s", time.Since(began))
	n.NBCtl("ls-add", "net1")
	for _, p := range []string{"a", "b"} {
		n.NBCtl("lsp-add", "net1", p, "--", "lsp-set-addresses", p, "0a:00:00:00:00:0"+p+" 10.0.0."+map[string]string{"a": "1", "b": "2"}[p])
	}
	n.NBCtl("acl-add", "net1", "to-lport", "1000", "ip4.src == 10.0.0.66", "drop")
	n.Sync()
	began = time.Now()
	flow := `inport == "a" && eth.src == 0a:00:00:00:00:0a && eth.dst == 0a:00:00:00:00:0b && ip4.dst == 10.0.0.2 && ip.ttl == 64 && icmp4 && ip4.src == `
	if got := n.Trace("net1", flow+"10.0.0.1"); got != `output("b");` {
		t.Errorf("a reaches b: %q", got)
	}
	t.Logf("a trace takes %s", time.Since(began))
	if got := n.Trace("net1", flow+"10.0.0.66"); strings.Contains(got, "output") {
		t.Errorf("the dropped source reaches b: %q", got)
	}
}

func TestDatabaseSurvivesKill(t *testing.T) {
	began := time.Now()
	db := Northbound(t)
	t.Logf("a database is up after %s", time.Since(began))
	db.Transact(`{"op":"insert","table":"Logical_Switch","row":{"name":"kept"}}`)
	db.Kill()
	db.Start()
	if got := db.Dump("Logical_Switch", "name"); !strings.Contains(got, "kept") {
		t.Errorf("after the restart: %q", got)
	}
}
