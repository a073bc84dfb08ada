package plan

import (
	"testing"

	"hawser/internal/logical"
)

// TestProblemSaysWhatAndWhere is the form in logs and golden files.
func TestProblemSaysWhatAndWhere(t *testing.T) {
	problem := Problem{Object: logical.Owner{Kind: "Pod", Namespace: "shop", Name: "web-0"}, Reason: Malformed, Message: "no address"}
	if got, want := problem.String(), "Pod/shop/web-0: Malformed: no address"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
