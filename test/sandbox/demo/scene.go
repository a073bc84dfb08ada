package demo

import (
	"context"
	"fmt"
	"strings"

	"hawser/test/sandbox/cluster"
)

// tenant is a namespace with a Subnet of its own.
type tenant struct{ namespace, cidr4, cidr6 string }

var tenants = []tenant{
	{"blue", "10.17.0.0/24", "fd00:10:17::/120"},
	{"green", "10.18.0.0/24", "fd00:10:18::/120"},
}

// pod is where a pod of the scene runs.
type pod struct{ namespace, name, node string }

func (p pod) String() string { return p.namespace + "/" + p.name }

// pods are one of each tenant on every worker, and a second blue one on the
// first, so that a path within a node and a subnet exists too.
func pods(workers []string) []pod {
	list := []pod{{"blue", "second-" + workers[0], workers[0]}}
	for _, t := range tenants {
		for _, worker := range workers {
			list = append(list, pod{t.namespace, "on-" + worker, worker})
		}
	}
	return list
}

func (t tenant) manifest(families []int) string {
	var cidrs []string
	for _, family := range families {
		cidrs = append(cidrs, map[int]string{4: t.cidr4, 6: t.cidr6}[family])
	}
	return fmt.Sprintf(`apiVersion: v1
kind: Namespace
metadata: {name: %[1]s}
---
apiVersion: kubeovn.io/v1
kind: Subnet
metadata: {name: %[1]s}
spec:
  cidrBlock: %[2]q
  namespaces: [%[1]s]
  gatewayType: distributed
  natOutgoing: true
`, t.namespace, strings.Join(cidrs, ","))
}

func (p pod) manifest() string {
	return fmt.Sprintf(`apiVersion: v1
kind: Pod
metadata: {name: %s, namespace: %s, labels: {app: hawser-demo}}
spec:
  nodeName: %s
  terminationGracePeriodSeconds: 0
  containers:
  - name: agnhost
    image: registry.k8s.io/e2e-test-images/agnhost:2.63.0
    imagePullPolicy: IfNotPresent
    args: [netexec, --http-port=8080]
    readinessProbe: {httpGet: {path: /hostname, port: 8080}, periodSeconds: 1}
`, p.name, p.namespace, p.node)
}

// setUp brings tenants and pods about, tenants first: a pod takes its address
// from the Subnet that its namespace is bound to when it is made.
func setUp(ctx context.Context, c *cluster.Cluster) error {
	var manifests []string
	for _, t := range tenants {
		manifests = append(manifests, t.manifest(c.Families()))
	}
	if err := c.Apply(ctx, strings.Join(manifests, "---\n")); err != nil {
		return err
	}
	for _, t := range tenants {
		if _, err := c.Kubectl(ctx, "wait", "--for=condition=Ready", "--timeout=60s", "subnet/"+t.namespace); err != nil {
			return fmt.Errorf("subnet %s does not become Ready: run 'sandbox kubectl -- describe subnet %s': %w", t.namespace, t.namespace, err)
		}
		// The namespace's default account is made by a controller, which takes a moment.
		if _, err := c.Kubectl(ctx, "-n", t.namespace, "wait", "--for=create", "--timeout=30s", "serviceaccount/default"); err != nil {
			return err
		}
	}
	manifests = nil
	for _, p := range pods(c.Workers()) {
		manifests = append(manifests, p.manifest())
	}
	if err := c.Apply(ctx, strings.Join(manifests, "---\n")); err != nil {
		return err
	}
	for _, t := range tenants {
		if _, err := c.Kubectl(ctx, "-n", t.namespace, "wait", "--for=condition=Ready", "--timeout=120s", "pod", "-l", "app=hawser-demo"); err != nil {
			return fmt.Errorf("pods of %s do not become Ready: run 'sandbox kubectl -- -n %s describe pods': %w", t.namespace, t.namespace, err)
		}
	}
	return nil
}
