package v1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// IP is the claim of one holder (a pod's interface or a node's ovn0) on its
// addresses in one subnet. Whoever has the oldest IP object with an address
// owns that address.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=ips,singular=ip,shortName=ip,scope=Cluster
// +kubebuilder:metadata:annotations="helm.sh/resource-policy=keep"
// +kubebuilder:printcolumn:name="V4IP",type=string,JSONPath=`.spec.v4IpAddress`
// +kubebuilder:printcolumn:name="V6IP",type=string,JSONPath=`.spec.v6IpAddress`
// +kubebuilder:printcolumn:name="Mac",type=string,JSONPath=`.spec.macAddress`
// +kubebuilder:printcolumn:name="Node",type=string,JSONPath=`.spec.nodeName`
// +kubebuilder:printcolumn:name="Subnet",type=string,JSONPath=`.spec.subnet`
// +kubebuilder:validation:XValidation:rule=`!has(oldSelf.spec) || has(self.spec)`,message="spec cannot be taken away: delete this IP and make another"
type IP struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +optional
	Spec IPSpec `json:"spec,omitempty,omitzero"`
}

// IPSpec says who holds which addresses, and where. What a claim is on never
// changes once it is there: a port and a pod's interface stand on it. The node
// does, with the pod.
//
// +kubebuilder:validation:XValidation:rule=`!has(oldSelf.podName) || oldSelf.podName == "" || (has(self.podName) && self.podName == oldSelf.podName)`,message="podName cannot be changed: delete this IP and make another"
// +kubebuilder:validation:XValidation:rule=`!has(oldSelf.__namespace__) || oldSelf.__namespace__ == "" || (has(self.__namespace__) && self.__namespace__ == oldSelf.__namespace__)`,message="namespace cannot be changed: delete this IP and make another"
// +kubebuilder:validation:XValidation:rule=`!has(oldSelf.podType) || oldSelf.podType == "" || (has(self.podType) && self.podType == oldSelf.podType)`,message="podType cannot be changed: delete this IP and make another"
// +kubebuilder:validation:XValidation:rule=`!has(oldSelf.subnet) || oldSelf.subnet == "" || (has(self.subnet) && self.subnet == oldSelf.subnet)`,message="subnet cannot be changed: delete this IP and make another"
// +kubebuilder:validation:XValidation:rule=`!has(oldSelf.ipAddress) || oldSelf.ipAddress == "" || (has(self.ipAddress) && oldSelf.ipAddress.split(",").all(a, self.ipAddress.split(",").exists(b, isIP(b) && ip(a) == ip(b))))`,message="ipAddress cannot be changed: delete this IP and make another"
// +kubebuilder:validation:XValidation:rule=`!has(oldSelf.v4IpAddress) || oldSelf.v4IpAddress == "" || (has(self.v4IpAddress) && isIP(self.v4IpAddress) && ip(self.v4IpAddress) == ip(oldSelf.v4IpAddress))`,message="v4IpAddress cannot be changed: delete this IP and make another"
// +kubebuilder:validation:XValidation:rule=`!has(oldSelf.v6IpAddress) || oldSelf.v6IpAddress == "" || (has(self.v6IpAddress) && isIP(self.v6IpAddress) && ip(self.v6IpAddress) == ip(oldSelf.v6IpAddress))`,message="v6IpAddress cannot be changed: delete this IP and make another"
// +kubebuilder:validation:XValidation:rule=`!has(oldSelf.macAddress) || oldSelf.macAddress == "" || (has(self.macAddress) && self.macAddress.lowerAscii() == oldSelf.macAddress.lowerAscii())`,message="macAddress cannot be changed: delete this IP and make another"
type IPSpec struct {
	// PodName is the pod that holds the address, or the virtual machine for the
	// pods of one; it is empty for a node's join address.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	PodName string `json:"podName,omitempty"`

	// Namespace is that of the pod.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`

	// Subnet is the name of the Subnet that the addresses are of.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Subnet string `json:"subnet,omitempty"`

	// NodeName is the node that the holder runs on.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	NodeName string `json:"nodeName,omitempty"`

	// PodType says whether the claim outlives the pod: StatefulSet and
	// VirtualMachine do; empty is an ordinary pod.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	PodType string `json:"podType,omitempty"`

	// IPAddress is v4IpAddress and v6IpAddress joined by a comma. It is written
	// for older tools; the two fields are what counts.
	// +optional
	// +kubebuilder:validation:MaxLength=90
	// +kubebuilder:validation:XValidation:rule=`self == "" || (self.split(",").size() <= 2 && self.split(",").all(a, isIP(a)))`,message="must be an IP address, or an IPv4 and an IPv6 address separated by a comma"
	IPAddress string `json:"ipAddress,omitempty"`

	// V4IPAddress is the IPv4 address.
	// +optional
	// +kubebuilder:validation:MaxLength=15
	// +kubebuilder:validation:XValidation:rule=`self == "" || (isIP(self) && ip(self).family() == 4)`,message="must be an IPv4 address"
	V4IPAddress string `json:"v4IpAddress,omitempty"`

	// V6IPAddress is the IPv6 address.
	// +optional
	// +kubebuilder:validation:MaxLength=45
	// +kubebuilder:validation:XValidation:rule=`self == "" || (isIP(self) && ip(self).family() == 6)`,message="must be an IPv6 address"
	V6IPAddress string `json:"v6IpAddress,omitempty"`

	// MacAddress is the MAC of the holder's interface, as six pairs of
	// hexadecimal digits joined by colons.
	// +optional
	// +kubebuilder:validation:MaxLength=17
	// +kubebuilder:validation:Pattern=`^([0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5})?$`
	MacAddress string `json:"macAddress,omitempty"`

	// AttachIPs is kept for older tools and always empty.
	// +optional
	AttachIPs []string `json:"attachIps,omitempty"`

	// AttachMacs is kept for older tools and always empty.
	// +optional
	AttachMacs []string `json:"attachMacs,omitempty"`

	// AttachSubnets is kept for older tools and always empty.
	// +optional
	AttachSubnets []string `json:"attachSubnets,omitempty"`

	// ContainerID is kept for older tools and not used.
	// +optional
	ContainerID string `json:"containerID,omitempty"`
}

// IPList is a list of IPs.
//
// +kubebuilder:object:root=true
type IPList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []IP `json:"items"`
}
