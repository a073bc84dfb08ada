package v1_test

import (
	"fmt"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	v1 "hawser/api/v1"
)

func TestProviderNetworkRules(t *testing.T) {
	judgeAll(t, "provider-networks", "ProviderNetwork", []verdict{
		{"as Kube-OVN has it", `defaultInterface: eth1, customInterfaces: [{interface: eth2, nodes: [n1]}], excludeNodes: [n2]`, ""},
		{"a list", `defaultInterfaces: [eth1, eth2]`, ""},
		{"a list by commas", `defaultInterface: "eth1,eth2"`, ""},
		{"a bond's VLAN", `defaultInterface: bond0.100`, ""},
		{"empty strings and false", `defaultInterface: eth1, defaultInterfaces: [], attachment: "", mode: "", loopProtection: "", exchangeLinkName: false, dryRun: false, rollout: {}, customInterfaces: []`, ""},
		{"no NIC", `excludeNodes: [n1]`, "exactly one of defaultInterface and defaultInterfaces"},
		{"no name", `defaultInterface: ""`, "exactly one of defaultInterface and defaultInterfaces"},
		{"both", `defaultInterface: eth1, defaultInterfaces: [eth2]`, "exactly one of defaultInterface and defaultInterfaces"},
		{"a path", `defaultInterface: dev/eth1`, "should match"},
		{"a blank after the comma", `defaultInterface: "eth1, eth2"`, "should match"},
		{"a comma at the end", `defaultInterface: "eth1,"`, "at most 15 characters"},
		{"a long name", `defaultInterface: "eth1,enp0s31f6np0s0v1"`, "at most 15 characters"},
		{"nine NICs", `defaultInterface: "e1,e2,e3,e4,e5,e6,e7,e8,e9"`, "up to 8"},
		{"nine NICs in a list", `defaultInterfaces: [e1, e2, e3, e4, e5, e6, e7, e8, e9]`, "must have at most 8 items"},
		{"the loopback", `defaultInterface: lo`, "not the loopback"},
		{"the loopback in a list", `defaultInterfaces: [eth1, lo]`, "not the loopback"},
		{"the loopback of a node", `defaultInterface: eth1, customInterfaces: [{interface: lo, nodes: [n1]}]`, "not the loopback"},
		{"our own device", `defaultInterface: ovn0`, "nor a device of the fabric"},
		{"twice the same in a list", `defaultInterfaces: [eth1, eth1]`, "Duplicate value"},
		{"commas in a list", `defaultInterfaces: ["eth1,eth2"]`, "should match"},

		{"several NICs of a node", `defaultInterface: eth1, customInterfaces: [{interfaces: [eth2, eth3], nodes: [n1]}]`, ""},
		{"none of a node", `defaultInterface: eth1, customInterfaces: [{nodes: [n1]}]`, "exactly one of interface and interfaces"},
		{"both of a node", `defaultInterface: eth1, customInterfaces: [{interface: eth2, interfaces: [eth3], nodes: [n1]}]`, "exactly one of interface and interfaces"},
		{"selector", `defaultInterface: eth1, nodeSelector: {matchLabels: {rack: a}}`, ""},
		{"sub-interfaces", `defaultInterface: eth1, vlanInterfaces: [eth1.100]`, ""},
		{"not a sub-interface", `defaultInterface: eth1, vlanInterfaces: [eth2]`, "should match"},

		{"Shared", `defaultInterface: eth1, attachment: Shared`, ""},
		{"a way to attach that there is not", `defaultInterface: eth1, attachment: shared`, "Unsupported value"},
		{"active-backup of shared NICs", `defaultInterfaces: [eth1, eth2], attachment: Shared, mode: ActiveBackup`, ""},
		{"LACP of shared NICs", `defaultInterfaces: [eth1, eth2], attachment: Shared, mode: LACP`, "does not go with attachment Shared"},
		{"balance-slb of shared NICs", `defaultInterfaces: [eth1, eth2], attachment: Shared, mode: BalanceSLB`, "does not go with attachment Shared"},
		{"LACP of ports", `defaultInterfaces: [eth1, eth2], attachment: Port, mode: LACP`, ""},
		{"mode", `defaultInterface: eth1, mode: balance-tcp`, "Unsupported value"},
		{"loop protection", `defaultInterface: eth1, loopProtection: STP`, "Unsupported value"},
		{"exchanged names", `defaultInterface: eth1, exchangeLinkName: true`, ""},
		{"exchanged names of a shared NIC", `defaultInterface: eth1, exchangeLinkName: true, attachment: Shared`, "leave the NIC its name"},

		{"rollout", `defaultInterface: eth1, rollout: {maxUnavailable: 3, paused: true}`, ""},
		{"rollout by percent", `defaultInterface: eth1, rollout: {maxUnavailable: 25%}`, ""},
		{"rollout of none", `defaultInterface: eth1, rollout: {maxUnavailable: 0}`, "number above 0"},
		{"rollout of too many", `defaultInterface: eth1, rollout: {maxUnavailable: 101%}`, "percentage from 1% to 100%"},
		{"rollout of nonsense", `defaultInterface: eth1, rollout: {maxUnavailable: some}`, "percentage from 1% to 100%"},
		{"unknown field", `defaultInterface: eth1, trustPod: true`, "unknown field spec.trustPod"},
	})
}

func TestProviderNetworkNames(t *testing.T) {
	server := newServer(t, "provider-networks")
	for name, refusal := range map[string]string{
		"net1": "", "int-2": "", "twelve-chars": "",
		"thirteen-char": "longer than 12",
		"int":           "is another bridge", "phy": "is another bridge", "encap": "is another bridge", "external": "is another bridge",
		"net.1": "must not contain a dot",
	} {
		t.Run(name, func(t *testing.T) {
			got := server.judge(t, fmt.Sprintf("{apiVersion: kubeovn.io/v1, kind: ProviderNetwork, metadata: {name: %q}, spec: {defaultInterface: eth1}}", name))
			if (refusal == "") != (got == "") || !strings.Contains(got, refusal) {
				t.Errorf("%q, not %q", got, refusal)
			}
		})
	}
}

// TestProviderNetworkOfOneThousandNodes: limits leave room for a large cluster.
func TestProviderNetworkOfOneThousandNodes(t *testing.T) {
	custom := strings.Repeat(`{interface: eth2, nodes: [a, b, c, d, e]},`, 1000)
	if refusal := newServer(t, "provider-networks").judge(t, `{apiVersion: kubeovn.io/v1, kind: ProviderNetwork, metadata: {name: net1}, spec: {defaultInterface: eth1, customInterfaces: [`+custom+`]}}`); refusal != "" {
		t.Error(refusal)
	}
}

func TestVlanRules(t *testing.T) {
	judgeAll(t, "vlans", "Vlan", []verdict{
		{"a VLAN", `id: 100, provider: net1`, ""},
		{"untagged", `id: 0, provider: net1`, ""},
		{"untagged, not said", `provider: net1`, ""},
		{"the default provider", `id: 100, provider: ""`, ""},
		{"no provider", `id: 100`, "spec.provider"},
		{"negative", `id: -1, provider: net1`, "greater than or equal to 0"},
		{"beyond", `id: 4096, provider: net1`, "less than or equal to 4095"},
		{"reserved", `id: 4095, provider: net1`, "802.1Q reserves it"},
		{"the highest", `id: 4094, provider: net1`, ""},
		{"by the old name", `vlanId: 100, provider: net1`, ""},
		{"by both names", `id: 100, vlanId: 100, provider: net1`, ""},
		{"two numbers", `id: 100, vlanId: 200, provider: net1`, "must be equal"},
		{"a word", `id: "100", provider: net1`, "must be of type integer"},
	})
}

func TestProviderNetworkNodeRules(t *testing.T) {
	judgeAll(t, "provider-network-nodes", "ProviderNetworkNode", []verdict{
		{"the least", `providerNetwork: net1, node: n1, interfaces: [eth1]`, ""},
		{"no NIC", `providerNetwork: net1, node: n1, interfaces: []`, "should have at least 1 items"},
		{"approved", `providerNetwork: net1, node: n1, interfaces: [eth1], approvedPlan: 0123abcd`, ""},
	})
}

func fullProviderNetwork() *v1.ProviderNetwork {
	two := intstr.FromInt32(2)
	return &v1.ProviderNetwork{
		TypeMeta:   typeMeta("ProviderNetwork"),
		ObjectMeta: metav1.ObjectMeta{Name: "net1"},
		Spec: v1.ProviderNetworkSpec{
			DefaultInterface: "eth1",
			CustomInterfaces: []v1.CustomInterface{
				{Interface: "eth2", Nodes: []string{"n1"}},
				{Interfaces: []string{"eth3", "eth4"}, Nodes: []string{"n2"}},
			},
			ExcludeNodes: []string{"n3"}, NodeSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"rack": "a"}},
			ExchangeLinkName: true, VlanInterfaces: []string{"eth1.100"}, PreserveVlanInterfaces: true, AutoCreateVlanSubinterfaces: true,
			Attachment: v1.AttachmentTakeover, Mode: v1.UplinkLACP, LoopProtection: v1.LoopRSTP,
			Rollout: v1.Rollout{MaxUnavailable: &two, Paused: true}, DryRun: true, TrustPods: true,
		},
		Status: v1.ProviderNetworkStatus{
			Conditions: []v1.ProviderNetworkCondition{{Condition: fullConditions()[0]}, {Condition: fullConditions()[0], Node: "n1"}},
			Ready:      true, ReadyNodes: []string{"n1"}, NotReadyNodes: []string{"n2"}, Vlans: []string{"vlan7"},
			Nodes:    v1.ProviderNetworkNodeCounts{Total: 3, Ready: 1, Waiting: 1, Failed: 1},
			Failures: []v1.ProviderNetworkFailure{{Node: "n2", Reason: v1.ReasonInterfaceNotFound, Message: "eth4 is not there"}},
		},
	}
}

func fullProviderNetworkNode() *v1.ProviderNetworkNode {
	return &v1.ProviderNetworkNode{
		TypeMeta:   typeMeta("ProviderNetworkNode"),
		ObjectMeta: metav1.ObjectMeta{Name: "net1.n1"},
		Spec: v1.ProviderNetworkNodeSpec{
			ProviderNetwork: "net1", Node: "n1", Interfaces: []string{"eth1"},
			Attachment: v1.AttachmentShared, Mode: v1.UplinkBridge, LoopProtection: v1.LoopIsolate,
			ExchangeLinkName: true, VlanInterfaces: []string{"eth1.100"}, PreserveVlanInterfaces: true, AutoCreateVlanSubinterfaces: true,
			TrustPods: true, DryRun: true, ApprovedPlan: "0123abcd",
		},
		Status: v1.ProviderNetworkNodeStatus{
			ObservedGeneration: 2, Phase: v1.PhaseRolledBack, Attachment: v1.AttachmentShared,
			Plan: "1 veth\n2 programs\n", PlanHash: "0123abcd", Step: "2 programs", Reason: v1.ReasonKernelUnsupported, Message: "no cls_bpf",
			Interfaces: []v1.UplinkStatus{{Name: "eth1", MAC: "00:00:00:00:00:01", MTU: 1500, Carrier: true, Attachment: v1.AttachmentShared, State: v1.UplinkActive}},
			Conditions: fullConditions(),
		},
	}
}

func fullVlan() *v1.Vlan {
	return &v1.Vlan{
		TypeMeta:   typeMeta("Vlan"),
		ObjectMeta: metav1.ObjectMeta{Name: "vlan7"},
		Spec:       v1.VlanSpec{ID: 7, Provider: "net1", ProviderInterfaceName: "eth1", VlanID: 7},
		Status:     v1.VlanStatus{Conditions: fullConditions(), Conflict: true, Subnets: []string{"blue"}},
	}
}
