package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// condition waits until a Subnet's condition has a status and returns its
// reason and message.
func condition(t testing.TB, subnet, kind, status string) string {
	t.Helper()
	var said string
	eventually(t, 30*time.Second, fmt.Sprintf("subnet %s: %s=%s", subnet, kind, status), func() error {
		path := fmt.Sprintf(`jsonpath={.status.conditions[?(@.type==%q)].status}|{.status.conditions[?(@.type==%q)].reason}: {.status.conditions[?(@.type==%q)].message}`, kind, kind, kind)
		out, err := tryKubectl("get", "subnet", subnet, "-o", path)
		if err != nil {
			return err
		}
		got, rest, _ := strings.Cut(out, "|")
		if said = rest; got != status {
			return fmt.Errorf("it is %q (%s)", got, rest)
		}
		return nil
	})
	return said
}

// event waits for an event on an object whose text holds some words.
func event(t testing.TB, namespace, name, words string) string {
	t.Helper()
	var found string
	eventually(t, 45*time.Second, fmt.Sprintf("an event on %s/%s saying %q", namespace, name, words), func() error {
		out, err := tryKubectl("get", "events", "-n", namespace, "--field-selector", "involvedObject.name="+name, "-o", `jsonpath={range .items[*]}{.type} {.reason}: {.message}{"\n"}{end}`)
		if err != nil {
			return err
		}
		for line := range strings.Lines(out) {
			if strings.Contains(line, words) {
				found = strings.TrimSpace(line)
				return nil
			}
		}
		return fmt.Errorf("only:\n%s", out)
	})
	return found
}

// TestBadSubnets: what the schema can know is refused at once; what needs a
// look at other objects is a condition, and nothing is changed in OVN.
func TestBadSubnets(t *testing.T) {
	for _, bad := range []struct{ name, spec, says string }{
		{"gateway-outside", "cidrBlock: 10.51.0.0/24\n  gateway: 10.52.0.1", "gateway"},
		{"no-cidr", "cidrBlock: ten", "cidrBlock"},
		{"single-address", "cidrBlock: 10.51.0.1/32", "cidrBlock"},
		{"reversed-range", "cidrBlock: 10.51.0.0/24\n  excludeIps: [10.51.0.9..x]", "excludeIps"},
	} {
		err := tryApply(fmt.Sprintf("apiVersion: kubeovn.io/v1\nkind: Subnet\nmetadata: {name: %s}\nspec:\n  %s\n", bad.name, bad.spec))
		if err == nil {
			remove(t, fmt.Sprintf("apiVersion: kubeovn.io/v1\nkind: Subnet\nmetadata: {name: %s}", bad.name))
			t.Errorf("%s: accepted", bad.name)
			continue
		}
		if !strings.Contains(err.Error(), bad.says) {
			t.Errorf("%s: refused without naming %s: %v", bad.name, bad.says, err)
		}
		t.Logf("%s: %s", bad.name, lastLine(err))
	}
	apply(t, "apiVersion: kubeovn.io/v1\nkind: Subnet\nmetadata: {name: overlap}\nspec:\n  cidrBlock: 10.16.4.0/24\n")
	said := condition(t, "overlap", "Validated", "False")
	t.Logf("overlap: %s", said)
	if !strings.Contains(said, "ovn-default") {
		t.Errorf("the message does not name the other subnet: %s", said)
	}
	if switches := nbctl(t, "ls-list"); strings.Contains(switches, "(overlap)") {
		t.Error("a subnet that is not valid has a logical switch")
	}
}

func lastLine(err error) string {
	lines := strings.Split(strings.TrimSpace(err.Error()), "\n")
	return lines[len(lines)-1]
}

// TestBadPods: a pod that cannot have what it asks for says why, and goes on
// by itself when the reason is gone.
func TestBadPods(t *testing.T) {
	node := nodes(t)[0]
	note := func(key, value string) map[string]string {
		return map[string]string{"ovn.kubernetes.io/" + key: value}
	}
	apply(t, documents(namespaceYAML("bad"), subnetYAML("bad", "10.53.0.0/29", "bad", "excludeIps: [10.53.0.4..10.53.0.6]"),
		podYAML("bad", "first", node, note("ip_address", "10.53.0.2"))))
	waitReady(t, "bad", "first")
	apply(t, documents(
		podYAML("bad", "unknown-subnet", node, note("logical_switch", "nowhere")),
		podYAML("bad", "taken", node, note("ip_address", "10.53.0.2")),
		podYAML("bad", "outside", node, note("ip_address", "10.99.0.2")),
		podYAML("bad", "malformed", node, note("ip_address", "ten")),
		podYAML("bad", "second", node, nil)))
	waitReady(t, "bad", "second")
	apply(t, podYAML("bad", "third", node, nil))
	for _, c := range []struct{ pod, says string }{
		{"unknown-subnet", "nowhere"}, {"taken", "first.bad"}, {"outside", "10.99.0.2"}, {"malformed", "ten"}, {"third", "SubnetFull"},
	} {
		t.Logf("%s: %s", c.pod, event(t, "bad", c.pod, c.says))
	}
	kubectl(t, "-n", "bad", "delete", "pod", "second", "--wait=true")
	waitReady(t, "bad", "third")
}
