package northbound

import (
	"errors"
	"fmt"

	"hawser/internal/logical"
)

// ErrParentMissing says that a row's switch, router or port group is not in the
// database (yet). Nothing was written; try again once its owner has made it.
var ErrParentMissing = errors.New("parent is not in the northbound database yet")

// ConstraintError says that the state of one owner cannot be: the database
// refused it, or a row that it needs belongs to someone else. Nothing was
// written, and trying again helps only when something changed.
type ConstraintError struct {
	Owner  logical.Owner
	Reason string
}

// Error names the owner and the reason.
func (e *ConstraintError) Error() string {
	return fmt.Sprintf("northbound database refuses %s: %s", e.Owner, e.Reason)
}
