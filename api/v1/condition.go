package v1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// The condition types that the controller sets.
const (
	// ConditionReady says whether the object does on the network what its spec
	// asks for.
	ConditionReady = "Ready"
	// ConditionValidated says whether the spec makes sense among all other
	// objects: what CEL cannot see, such as an overlapping CIDR.
	ConditionValidated = "Validated"
	// ConditionSupported is False when the object is realised without some of
	// its fields because they are not built yet; the message lists them.
	ConditionSupported = "Supported"
)

// ReasonUnsupported is the reason of Ready=False when a field that isolates or
// protects is not built yet, so that the object is not realised at all.
const ReasonUnsupported = "Unsupported"

// Condition is one observation about an object. It differs from
// metav1.Condition by lastUpdateTime and by what is optional; clients of
// Kube-OVN rely on both.
type Condition struct {
	// Type names what is observed, such as Ready or Validated.
	// +kubebuilder:validation:MaxLength=316
	Type string `json:"type"`

	// Status is True, False or Unknown.
	// +optional
	Status metav1.ConditionStatus `json:"status,omitempty"`

	// Reason is one word in CamelCase that says why the status is what it is.
	// +optional
	Reason string `json:"reason,omitempty"`

	// Message says the same in a sentence for a person.
	// +optional
	Message string `json:"message,omitempty"`

	// LastUpdateTime is when the condition was last written.
	// +optional
	LastUpdateTime metav1.Time `json:"lastUpdateTime,omitempty,omitzero"`

	// LastTransitionTime is when the status last changed.
	// +optional
	LastTransitionTime metav1.Time `json:"lastTransitionTime,omitempty,omitzero"`

	// ObservedGeneration is the metadata.generation that was judged.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
}
