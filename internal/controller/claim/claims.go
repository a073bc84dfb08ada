package claim

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/ipam"
	"hawser/internal/logical"
)

// Annotations of the IP objects that the controller makes. An object without
// them was made by a user and is never deleted by us.
const (
	AnnotationHolder    = "kubeovn.io/holder"     // as in external_ids:owner
	AnnotationHolderUID = "kubeovn.io/holder-uid" // of the pod or node
)

// Claims makes claims on addresses and gives them up. Calls for one name must
// not overlap; the queues see to that.
type Claims struct {
	API      client.Writer
	Book     *Book
	Registry *ipam.Registry
	// Freed is told which addresses of a subnet became free.
	Freed func(subnet string, addresses []netip.Addr)

	// givenUp has the names whose objects we have asked to be deleted. Their
	// leases end with them; that of an object that somebody else deletes does
	// not, because its holder uses it.
	givenUp sync.Map
}

// Ask says who wants an address, and from where.
type Ask struct {
	Name    string // of the IP object
	Holder  logical.Owner
	UID     types.UID
	Spec    kubeovnv1.IPSpec // who and where; the addresses are filled in
	Keep    bool             // the claim may come from an earlier holder of the name
	Sources []Source         // tried in this order
}

// Source is a subnet and what is wanted of it.
type Source struct {
	Subnet string
	Want   ipam.Request
}

// ErrPending says that a claim is on its way; the Book will tell.
var ErrPending = errors.New("the claim is on its way")

// ErrUnfit says that what is held is not what is asked for, or is an earlier
// holder's: the port has to go, then Drop has to be called.
var ErrUnfit = errors.New("the claim is not for this holder")

// LostError says that an older object has the address: the port has to go, then
// Drop has to be called.
type LostError struct {
	IP    *kubeovnv1.IP
	Rival string
}

// Error names both sides.
func (e *LostError) Error() string {
	return fmt.Sprintf("an address of IP %s (%s) is held by the older IP %s", e.IP.Name, e.IP.Spec.IPAddress, e.Rival)
}

// Hold returns the object by which the addresses are the holder's. Until then
// it takes the next step and returns an error that says what to do: ErrPending,
// ErrUnfit, *LostError, or an *ipam.Error if there is no address to have.
func (c *Claims) Hold(ctx context.Context, ask Ask) (*kubeovnv1.IP, error) {
	found := c.Book.Judge(ask.Name)
	switch found.Verdict {
	case Absent:
		if _, ok := c.givenUp.Load(ask.Name); ok {
			c.Forget(ask.Name)
		}
		return nil, c.create(ctx, ask)
	case Going:
		return nil, c.delete(ctx, found.IP)
	case Lost:
		lost.Inc()
		return nil, &LostError{IP: found.IP, Rival: found.Rival}
	case Won:
		return c.confirm(ctx, ask, found.IP)
	}
	return nil, ErrPending
}

// create picks an address and claims it.
func (c *Claims) create(ctx context.Context, ask Ask) error {
	subnet, lease, err := c.pick(ask)
	if err != nil {
		return err
	}
	ip := newIP(ask, subnet, lease)
	c.Book.Expect(ask.Name)
	if err := c.API.Create(ctx, ip); err != nil {
		c.Book.Unexpect(ask.Name)
		return fmt.Errorf("claiming %s of subnet %s: %w", ip.Spec.IPAddress, subnet, err)
	}
	made.Inc()
	return ErrPending
}

// pick tries the sources in turn; only a full one leads to the next.
func (c *Claims) pick(ask Ask) (subnet string, lease ipam.Lease, err error) {
	err = ErrPending // of no source at all
	for _, source := range ask.Sources {
		lease, err = c.Registry.Allocate(source.Subnet, ask.Name, source.Want)
		switch {
		case err == nil:
			return source.Subnet, lease, nil
		case errors.Is(err, ipam.ErrHeld):
			return "", lease, ErrUnfit
		case !errors.Is(err, ipam.ErrFull):
			return "", lease, err
		}
	}
	return "", lease, err
}

// confirm checks that a claim that was won is the holder's, and that memory
// agrees with it.
func (c *Claims) confirm(ctx context.Context, ask Ask, ip *kubeovnv1.IP) (*kubeovnv1.IP, error) {
	err := c.Restore(ip)
	switch {
	case errors.Is(err, ipam.ErrHeld):
		return nil, ErrUnfit
	case errors.Is(err, ipam.ErrTaken):
		return nil, err
	}
	switch {
	case !IsOurs(ip):
		return c.complete(ctx, ask, ip)
	case ip.Annotations[AnnotationHolderUID] == string(ask.UID):
		return ip, nil
	case ask.Keep && c.fits(ask, ip):
		return c.inherit(ctx, ask, ip)
	}
	return nil, ErrUnfit
}

// Restore tells memory what an object holds. It is repeated whenever the object
// is looked at, because memory may have been full of something else before.
func (c *Claims) Restore(ip *kubeovnv1.IP) error {
	return c.Registry.Restore(ip.Spec.Subnet, ip.Name, LeaseOf(ip))
}

// fits tells whether what an object holds is what is asked for.
func (c *Claims) fits(ask Ask, ip *kubeovnv1.IP) bool {
	for _, source := range ask.Sources {
		if source.Subnet == ip.Spec.Subnet {
			_, err := c.Registry.Allocate(source.Subnet, ip.Name, source.Want)
			return err == nil
		}
	}
	return false
}

// inherit hands a claim to the new holder of its name, such as the next pod of
// a StatefulSet's ordinal.
func (c *Claims) inherit(ctx context.Context, ask Ask, ip *kubeovnv1.IP) (*kubeovnv1.IP, error) {
	want := newIP(ask, ip.Spec.Subnet, LeaseOf(ip))
	next := ip.DeepCopy()
	next.Labels, next.Annotations, next.Spec.NodeName = want.Labels, want.Annotations, want.Spec.NodeName
	patch := client.MergeFromWithOptions(ip, client.MergeFromWithOptimisticLock{})
	if err := c.API.Patch(ctx, next, patch); err != nil {
		return nil, fmt.Errorf("handing IP %s to its next holder: %w", ip.Name, err)
	}
	return next, nil
}

// complete gives a user's reservation what it leaves open: the MAC, or the
// addresses too. The object comes back as a new claim on these.
func (c *Claims) complete(ctx context.Context, ask Ask, ip *kubeovnv1.IP) (*kubeovnv1.IP, error) {
	lease := LeaseOf(ip)
	if !lease.MAC.IsZero() && len(lease.Addresses) > 0 {
		return ip, nil
	}
	c.Registry.Release(ip.Name)
	want := ipam.Request{Addresses: lease.Addresses, MAC: lease.MAC}
	lease, err := c.Registry.Allocate(ip.Spec.Subnet, ip.Name, want)
	if err != nil {
		return nil, err
	}
	next := ip.DeepCopy()
	SetLease(next, lease)
	if err := c.API.Patch(ctx, next, client.MergeFromWithOptions(ip, client.MergeFromWithOptimisticLock{})); err != nil {
		return nil, fmt.Errorf("completing IP %s, which a user made for %s: %w", ip.Name, ask.Holder, err)
	}
	return nil, ErrPending
}

// Drop gives a claim up. The port must be gone. It is called again when the
// object has disappeared; then nothing is left. What a user made stays.
func (c *Claims) Drop(ctx context.Context, name string) (gone bool, err error) {
	found := c.Book.Judge(name)
	switch {
	case found.Verdict == Absent:
		c.Forget(name)
		return true, nil
	case found.IP == nil: // created, not seen yet
		return false, nil
	case !IsOurs(found.IP):
		c.keepReserved(found.IP)
		return false, nil
	}
	if err := c.delete(ctx, found.IP); !errors.Is(err, ErrPending) {
		return false, err
	}
	return false, nil
}

// keepReserved leaves a user's reservation as it is, and corrects memory if that
// has something else for the name.
func (c *Claims) keepReserved(ip *kubeovnv1.IP) {
	if errors.Is(c.Restore(ip), ipam.ErrHeld) {
		c.Forget(ip.Name)
		_ = c.Restore(ip) // refused where an elder holds the address
	}
}

// delete asks for an object to be deleted, once, and only as it was when that
// was decided. It returns ErrPending until the object has disappeared.
func (c *Claims) delete(ctx context.Context, ip *kubeovnv1.IP) error {
	if ip.DeletionTimestamp != nil || c.Book.Leaving(ip.UID) {
		return ErrPending
	}
	c.Book.Leave(ip, false)
	c.givenUp.Store(ip.Name, true)
	err := c.API.Delete(ctx, ip, client.Preconditions{UID: &ip.UID, ResourceVersion: &ip.ResourceVersion})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("giving up IP %s: %w", ip.Name, err)
	}
	c.Book.Leave(ip, true)
	dropped.Inc()
	return ErrPending
}

// Forget takes addresses back into the registry. An object that has been
// waiting for one of them gets it before anybody else.
func (c *Claims) Forget(name string) {
	c.givenUp.Delete(name)
	subnet, lease, ok := c.Registry.Lease(name)
	if !ok {
		return
	}
	c.Registry.Release(name)
	for _, ip := range c.Book.Holders(subnet, lease.Addresses) {
		_ = c.Restore(ip) // refused where an elder has just got it
	}
	c.Freed(subnet, lease.Addresses)
}

// IsOurs tells whether the controller made an object, rather than a user.
func IsOurs(ip *kubeovnv1.IP) bool { return ip.Annotations[AnnotationHolder] != "" }

// newIP is the object that claims a lease.
func newIP(ask Ask, subnet string, lease ipam.Lease) *kubeovnv1.IP {
	ip := &kubeovnv1.IP{
		ObjectMeta: metav1.ObjectMeta{
			Name: ask.Name,
			Annotations: map[string]string{
				AnnotationHolder:    ask.Holder.String(),
				AnnotationHolderUID: string(ask.UID),
			},
			Labels: labelsFor(subnet, ask.Spec.NodeName),
		},
		Spec: ask.Spec,
	}
	ip.Spec.Subnet = subnet
	SetLease(ip, lease)
	return ip
}

// labelsFor leaves out what is too long for a label.
func labelsFor(subnet, node string) map[string]string {
	labels := map[string]string{}
	const most = 63
	if len(subnet) <= most {
		labels[kubeovnv1.LabelSubnet] = subnet
		labels[subnet] = ""
	}
	if len(node) <= most {
		labels[kubeovnv1.LabelNodeName] = node
	}
	return labels
}
