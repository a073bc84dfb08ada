package controller

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"

	"hawser/internal/logical"
)

// Network is OVN's northbound database as the reconcilers need it.
type Network interface {
	// Apply makes the rows of an owner be what the state says and returns once
	// that is committed, with the number of operations that it took. It fails
	// with ErrParentMissing or a *RefusedError, or because the database cannot
	// be reached.
	Apply(ctx context.Context, owner logical.Owner, want logical.State) (changed int, err error)
	// Owners lists every owner that has rows.
	Owners() []logical.Owner
	// Renewed tells that the connection was lost and made again: the database
	// may be an older one, or empty.
	Renewed() <-chan struct{}
}

// Recorder writes events on objects (k8s.io/client-go/tools/events).
type Recorder interface {
	Eventf(regarding, related runtime.Object, eventtype, reason, action, note string, args ...any)
}

// ErrParentMissing says that a switch, router or port group has to be written
// first, by another owner.
var ErrParentMissing = errors.New("a row that this one refers to does not exist yet")

// RefusedError says that the database does not accept an owner's state, and
// will not before something changes.
type RefusedError struct {
	Owner  logical.Owner
	Reason string
}

// Error names the owner and the reason.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("the northbound database refuses %s: %s", e.Owner, e.Reason)
}
