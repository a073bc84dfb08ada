package node

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
)

// Keepalived's virtual addresses, one on the NIC, one on a device of its own
// (use_vmac), a macvlan on the NIC; and the neighbour who is its backup.
const (
	virtual     = "192.168.50.100"
	virtualVMAC = "192.168.50.101"
	peer        = "192.168.50.3"
)

// keepalived runs one of the two that share the virtual addresses. It tells of
// itself twice as rarely as usual, because under emulation all programs may stand
// still for seconds.
func keepalived(t testing.TB, name string, at place, device, state string, priority int) {
	t.Helper()
	vrrpDaemon(t, "keepalived-"+name, at, fmt.Sprintf(`
		global_defs {
		    router_id %[1]s
		}
		vrrp_instance plain {
		    state %[3]s
		    interface %[2]s
		    virtual_router_id 50
		    priority %[4]d
		    advert_int 2
		    virtual_ipaddress {
		        %[5]s/32
		    }
		}
		vrrp_instance vmac {
		    state %[3]s
		    interface %[2]s
		    virtual_router_id 52
		    priority %[4]d
		    advert_int 2
		    use_vmac vrrp52
		    vmac_xmit_base
		    virtual_ipaddress {
		        %[6]s/32
		    }
		}
		`, name, device, state, priority, virtual, virtualVMAC))
	await(t, "[ $(grep -c 'Entering BACKUP STATE' /out/keepalived-%s.log) -ge 2 ]", name) // one that finds the other's files ends at once
}

// vrrpDaemon runs a Keepalived of that name. All its files are its own: one that finds
// another's ends at once.
func vrrpDaemon(t testing.TB, name string, at place, conf string) *service {
	t.Helper()
	folder := "/run/" + name
	if err := errors.Join(os.MkdirAll(folder, 0o755), os.WriteFile(folder+"/conf", []byte(conf), 0o644)); err != nil {
		t.Fatal(err)
	}
	return daemon(t, name, append(at, "keepalived", "--dont-fork", "--log-console", "--vrrp", "--use-file", folder+"/conf",
		"--pid", folder+"/pid", "--vrrp_pid", folder+"/vrrp", "--bfd_pid", folder+"/bfd", "--checkers_pid", folder+"/checkers")...)
}

// pair runs Keepalived on the machine, as master, and on a neighbour outside.
func pair(t testing.TB, nic string) {
	t.Helper()
	t.Cleanup(func() {
		_, _ = try("rm -f /out/keepalived-*.log; ip link del vrrp52; ip address del " + virtual + "/32 dev " + nic)
	})
	backup := neighbour(t, "peer", peer)
	keepalived(t, "first", here, nic, "MASTER", 150)
	keepalived(t, "peer", backup, "eth0", "BACKUP", 100)
	await(t, "ip address show dev %s | grep -q %s && ip address show dev vrrp52 | grep -q %s", nic, virtual, virtualVMAC)
	reaches(t, backup, virtual)
	reaches(t, backup, virtualVMAC)
}

// said is what both have said so far, but that a timer was late: the emulated
// machine stands still at times, and that is no news.
func said(t testing.TB) string {
	t.Helper()
	return sh(t, "cat /out/keepalived-*.log | grep -v 'timer expired' || true")
}

// captureAdverts notes who tells the LAN that it has a virtual address.
func captureAdverts(t testing.TB) {
	t.Helper()
	sh(t, "rm -f /out/adverts.log")
	daemon(t, "adverts", append(netns("peer"), "tcpdump", "-l", "-n", "-i", "eth0", "vrrp")...)
	await(t, "grep -q 'vrid 52' /out/adverts.log")
}

// onlyMaster wants adverts of both virtual addresses from the machine, and none
// from anybody else.
func onlyMaster(t testing.TB) {
	t.Helper()
	seen := sh(t, `sed -n 's/.* IP \([0-9.]*\) > .* \(vrid [0-9]*\),.*/\1 \2/p' /out/adverts.log | sort | uniq -c`)
	t.Logf("adverts:\n%s", seen)
	lines := strings.Split(seen, "\n")
	if len(lines) != 2 || !strings.HasSuffix(lines[0], firstAddress+" vrid 50") || !strings.HasSuffix(lines[1], firstAddress+" vrid 52") {
		t.Errorf("adverts, want those of %s alone:\n%s", firstAddress, seen)
	}
}
