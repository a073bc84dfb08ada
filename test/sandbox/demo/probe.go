package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"hawser/test/sandbox/cluster"
)

// probe is one path: a command somewhere, and what it must print.
type probe struct {
	what, from, to string
	family         int
	// in is the pod that the command runs in; nil: the machine called from.
	in      *pod
	command []string
	// want is in the answer when the right one answers.
	want string
}

type result struct {
	probe
	took  time.Duration
	tries int
	err   error
}

// planner knows the addresses of pods, by namespace/name and family.
type planner struct {
	addresses map[string]map[int]string
	probes    []probe
}

// plan lists every path that the table shows.
func plan(ctx context.Context, c *cluster.Cluster) ([]probe, error) {
	addresses, err := podAddresses(ctx, c)
	if err != nil {
		return nil, err
	}
	p := &planner{addresses: addresses}
	workers := c.Workers()
	near, far := workers[0], workers[len(workers)-1]
	from := pod{"blue", "on-" + near, near}
	for _, family := range c.Families() {
		p.podToPod(family, from, near, far)
		p.podToService(family, from)
		p.fromPod(probe{what: "pod → outside", family: family, to: cluster.Outside, want: cluster.Outside,
			command: get(url("http", c.Address(cluster.Outside, family), "80", "/hostname"))}, from)
		p.toNode("pod → own node", from, near, c.Address(near, family))
		p.fromNode("node → own pod", family, near, from)
		if far != near {
			p.toNode("pod → other node", from, far, c.Address(far, family))
			p.fromNode("node → other node's pod", family, near, pod{"green", "on-" + far, far})
		}
	}
	// The API server's service has one family, the cluster's first.
	p.fromPod(probe{what: "pod → API server service", family: c.Families()[0], to: "kubernetes", want: `"gitVersion"`,
		command: []string{"sh", "-c", `case $KUBERNETES_SERVICE_HOST in *:*) h="[$KUBERNETES_SERVICE_HOST]";; *) h=$KUBERNETES_SERVICE_HOST;; esac; curl -sSk -m 3 -w "\ntook %{time_total}" https://$h/version`}}, from)
	return p.probes, nil
}

// podToPod are the four paths between pods: within and across nodes and subnets.
func (p *planner) podToPod(family int, from pod, near, far string) {
	p.toPod("pod → pod, same node, same subnet", family, from, pod{"blue", "second-" + near, near})
	p.toPod("pod → pod, same node, other subnet", family, from, pod{"green", "on-" + near, near})
	if far != near {
		p.toPod("pod → pod, other node, same subnet", family, from, pod{"blue", "on-" + far, far})
		p.toPod("pod → pod, other node, other subnet", family, from, pod{"green", "on-" + far, far})
	}
}

func (p *planner) podToService(family int, from pod) {
	p.fromPod(probe{what: "pod → DNS service", family: family, to: "kube-dns", want: "NOERROR",
		command: []string{"dig", "+time=2", "+tries=1", "@" + cluster.DNSService(family), "kubernetes.default.svc.cluster.local"}}, from)
}

func (p *planner) toPod(what string, family int, from, to pod) {
	p.fromPod(probe{what: what, family: family, to: to.String(), want: to.name, command: p.getHostname(family, to)}, from)
}

// toNode asks a kubelet, which answers strangers with an error of its own.
func (p *planner) toNode(what string, from pod, node, address string) {
	family := 4
	if strings.Contains(address, ":") {
		family = 6
	}
	p.fromPod(probe{what: what, family: family, to: node, want: "Unauthorized", command: get("-k", url("https", address, "10250", "/pods"))}, from)
}

func (p *planner) fromPod(path probe, from pod) {
	path.from, path.in = from.String(), &from
	p.probes = append(p.probes, path)
}

func (p *planner) fromNode(what string, family int, node string, to pod) {
	p.probes = append(p.probes, probe{what: what, family: family, from: node, to: to.String(), want: to.name, command: p.getHostname(family, to)})
}

func (p *planner) getHostname(family int, of pod) []string {
	return get(url("http", p.addresses[of.String()][family], "8080", "/hostname"))
}

const tookMark = "\ntook "

func get(args ...string) []string {
	return append([]string{"curl", "-sS", "-m", "3", "-w", tookMark + "%{time_total}"}, args...)
}

func url(scheme, address, port, path string) string {
	return scheme + "://" + net.JoinHostPort(address, port) + path
}

// podAddresses asks the API server for the addresses of the scene's pods.
func podAddresses(ctx context.Context, c *cluster.Cluster) (map[string]map[int]string, error) {
	out, err := c.Kubectl(ctx, "get", "pods", "-A", "-l", "app=hawser-demo", "-o", "json")
	if err != nil {
		return nil, err
	}
	var list struct {
		Items []struct {
			Metadata struct{ Namespace, Name string }
			Status   struct{ PodIPs []struct{ IP string } }
		}
	}
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		return nil, fmt.Errorf("read pods: %w", err)
	}
	addresses := map[string]map[int]string{}
	for _, item := range list.Items {
		own := map[int]string{}
		for _, ip := range item.Status.PodIPs {
			family := 4
			if strings.Contains(ip.IP, ":") {
				family = 6
			}
			own[family] = ip.IP
		}
		addresses[item.Metadata.Namespace+"/"+item.Metadata.Name] = own
	}
	return addresses, nil
}

const (
	tries    = 3
	parallel = 4
)

// try runs all probes, a few at a time, and keeps their order.
func try(ctx context.Context, c *cluster.Cluster, probes []probe) []result {
	results := make([]result, len(probes))
	slots := make(chan struct{}, parallel)
	var all sync.WaitGroup
	for i, p := range probes {
		all.Go(func() {
			slots <- struct{}{}
			results[i] = p.try(ctx, c)
			<-slots
		})
	}
	all.Wait()
	return results
}

// try gives a path three chances; the table says how many it took, since the
// first should do.
func (p probe) try(ctx context.Context, c *cluster.Cluster) result {
	r := result{probe: p}
	for r.tries < tries {
		r.tries++
		out, err := p.run(ctx, c)
		r.took, r.err = took(out), err
		if err == nil && !strings.Contains(out, p.want) {
			r.err = fmt.Errorf("the answer is %q instead of %q", strings.TrimSpace(out), p.want)
		}
		if r.err == nil || ctx.Err() != nil {
			break
		}
	}
	return r
}

// took reads how long the answer took from what curl, as get asks it to, or dig
// says about it: starting a command in a pod takes many times longer.
func took(out string) time.Duration {
	if _, after, found := strings.Cut(out, tookMark); found {
		seconds, _ := strconv.ParseFloat(strings.TrimSpace(after), 64)
		return time.Duration(seconds * float64(time.Second))
	}
	if _, after, found := strings.Cut(out, "Query time: "); found {
		milliseconds, _ := strconv.Atoi(strings.Fields(after)[0])
		return time.Duration(milliseconds) * time.Millisecond
	}
	return 0
}

func (p probe) run(ctx context.Context, c *cluster.Cluster) (string, error) {
	if p.in == nil {
		return c.Output(ctx, p.from, p.command...)
	}
	return c.Kubectl(ctx, append([]string{"-n", p.in.namespace, "exec", p.in.name, "--"}, p.command...)...)
}
