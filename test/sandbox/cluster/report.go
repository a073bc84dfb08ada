package cluster

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// reportPart is what a single question may take: a report is made when things
// hang, and must not hang with them.
const reportPart = 20 * time.Second

// onEveryMachine is asked inside each machine; a question that finds nobody to
// answer leaves its complaint in the report.
var onEveryMachine = map[string]string{
	"processes":  "ps axo pid,ppid,stat,rss,etimes,args",
	"links":      "ip -details -statistics link; ip address",
	"routes":     "ip rule; ip route show table all; ip -6 rule; ip -6 route show table all; ip neighbour",
	"nftables":   "nft list ruleset",
	"sockets":    "ss -antup",
	"conntrack":  "conntrack -L",
	"qdiscs":     "tc -s qdisc; for d in $(ls /sys/class/net); do for at in ingress egress; do echo \"== $d $at\"; tc -s filter show dev $d $at; done; done",
	"pins":       "find /sys/fs/bpf",
	"mounts":     "cat /proc/self/mountinfo",
	"disk":       "df -h; df -i",
	"containers": "ctr -n k8s.io containers ls; ctr -n k8s.io tasks ls; ctr -n k8s.io images ls",
	"cni":        "ls -laR /etc/cni /opt/cni/bin; cat /etc/cni/net.d/*",
	"ovs": "ovs-vsctl -t 5 show; ovs-vsctl -t 5 list Open_vSwitch; ovs-vsctl -t 5 list Interface; " +
		// vswitchd runs in a container: its process number, by which appctl would look for it, is another here.
		"for c in /run/openvswitch/ovs-vswitchd.*.ctl; do for q in 'dpctl/show -s' dpctl/dump-flows fdb/show tnl/neigh/show; do echo \"== $q\"; ovs-appctl -t $c $q; done; done",
	"flows": "for b in $(ovs-vsctl -t 5 list-br); do echo \"== $b\"; ovs-ofctl -O OpenFlow15 dump-flows $b; done",
}

// onEveryLAN is asked in the switch of each network.
var onEveryLAN = map[string]string{
	"ports":    "ip -details -statistics link; ip address",
	"stations": "bridge fdb show",
	"programs": "for d in $(ip -brief link | cut -d@ -f1 | cut -d' ' -f1); do echo \"== $d\"; tc -s filter show dev $d ingress; tc -s filter show dev $d egress; done",
}

// inCentral is asked in the pod with OVN's databases.
var inCentral = map[string]string{
	"northbound":  "ovn-nbctl --no-leader-only show; ovsdb-client dump unix:/run/ovn/ovnnb_db.sock OVN_Northbound",
	"southbound":  "ovn-sbctl --no-leader-only show; for t in Chassis Encap Port_Binding MAC_Binding; do ovsdb-client dump unix:/run/ovn/ovnsb_db.sock OVN_Southbound $t; done",
	"raft-status": "for d in nb sb; do ovs-appctl -t /run/ovn/ovn${d}_db.ctl cluster/status OVN_$([ $d = nb ] && echo Northbound || echo Southbound); done",
}

// objects are what is asked of the API server.
var objects = map[string][]string{
	"objects.yaml": {"get", "-A", "-o", "yaml", "nodes,namespaces,pods,services,endpointslices,deployments,daemonsets,statefulsets,jobs,configmaps,leases"},
	"fabric.yaml":  {"get", "-A", "-o", "yaml", "vpcs.kubeovn.io,subnets.kubeovn.io,ips.kubeovn.io,provider-networks.kubeovn.io,provider-network-nodes.kubeovn.io,vlans.kubeovn.io"},
	"pods.txt":     {"get", "pods", "-A", "-o", "wide"},
	"events.txt":   {"get", "events", "-A", "--sort-by=.lastTimestamp"},
	"describe.txt": {"describe", "nodes,pods", "-A"},
}

// Report writes everything that helps to understand a failure into one tarball.
func (c *Cluster) Report(ctx context.Context, path string) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	zip := gzip.NewWriter(file)
	r := &reporter{cluster: c, tar: tar.NewWriter(zip)}
	for _, part := range []func(context.Context) error{r.machines, r.api, r.central, r.logs} {
		if err := part(ctx); err != nil {
			return errors.Join(fmt.Errorf("write report %s: %w", path, err), file.Close())
		}
	}
	return errors.Join(r.tar.Close(), zip.Close(), file.Close())
}

// reporter fails only when the tarball cannot be written; what cannot be found
// out is part of the report.
type reporter struct {
	cluster *Cluster
	tar     *tar.Writer
}

func (r *reporter) add(name string, content []byte) error {
	header := &tar.Header{Name: "report/" + name, Mode: 0o644, Size: int64(len(content)), ModTime: time.Now().Truncate(time.Second)}
	if err := r.tar.WriteHeader(header); err != nil {
		return err
	}
	_, err := r.tar.Write(content)
	return err
}

// answer adds what a question brought, and the error if there was one.
func (r *reporter) answer(ctx context.Context, name string, ask func(context.Context) (string, error)) error {
	ctx, cancel := context.WithTimeout(ctx, reportPart)
	defer cancel()
	out, err := ask(ctx)
	if err != nil {
		out += "\n[" + err.Error() + "]\n"
	}
	return r.add(name, []byte(out))
}

func (r *reporter) machines(ctx context.Context) error {
	var status strings.Builder
	if err := r.cluster.Status(&status); err != nil {
		status.WriteString(err.Error() + "\n")
	}
	if err := r.add("status.txt", []byte(status.String())); err != nil {
		return err
	}
	for _, machine := range r.cluster.Machines() {
		if r.cluster.PID(machine) == 0 {
			continue
		}
		if err := r.inside(ctx, machine, onEveryMachine); err != nil {
			return err
		}
	}
	for _, lan := range r.cluster.added.AllLANs() {
		if err := r.inside(ctx, lan, onEveryLAN); err != nil {
			return err
		}
	}
	return nil
}

// inside puts questions to one machine or LAN.
func (r *reporter) inside(ctx context.Context, place string, questions map[string]string) error {
	for name, script := range questions {
		err := r.answer(ctx, place+"/"+name+".txt", func(ctx context.Context) (string, error) {
			return r.cluster.Output(ctx, place, "sh", "-c", "exec 2>&1; "+script)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *reporter) api(ctx context.Context) error {
	for name, args := range objects {
		err := r.answer(ctx, name, func(ctx context.Context) (string, error) { return r.cluster.Kubectl(ctx, args...) })
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *reporter) central(ctx context.Context) error {
	for name, script := range inCentral {
		err := r.answer(ctx, "ovn/"+name+".txt", func(ctx context.Context) (string, error) {
			return r.cluster.Kubectl(ctx, "-n", "kube-system", "exec", "deployment/ovn-central", "-c", "ovn-central", "--", "sh", "-c", "exec 2>&1; "+script)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// logs copies the disks' /var/log: services, pods, and what the fabric logs there.
func (r *reporter) logs(context.Context) error {
	for _, machine := range r.cluster.Machines() {
		root := r.cluster.machineDir(machine)
		err := filepath.WalkDir(filepath.Join(root, "disk/log"), func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return nil //nolint:nilerr // a log that went away meanwhile
			}
			if !d.Type().IsRegular() {
				return nil
			}
			return r.copyLog(filepath.Join(machine, "log", strings.TrimPrefix(path, root+"/disk/log")), path)
		})
		if err != nil {
			return err
		}
		if err := r.copyLog(filepath.Join(machine, "log/init.log"), filepath.Join(root, "init.log")); err != nil {
			return err
		}
	}
	return nil
}

func (r *reporter) copyLog(name, path string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		content = []byte("[" + err.Error() + "]\n")
	}
	return r.add(name, content)
}
