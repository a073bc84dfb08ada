package kernel

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Lent names the devices in other network namespaces that stand on a NIC of this
// one, as a CNI plugin makes them for pods: macvlans, ipvlans and VLANs. No list of
// this namespace shows them. Namespaces are known by the numbers that the kernel
// gives them, which every pod with a veth pair to this one has.
func (c *Client) Lent(ctx context.Context, nic string) ([]string, error) {
	below, err := c.handle.LinkByName(nic)
	var gone netlink.LinkNotFoundError
	if errors.As(err, &gone) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find %s: %w", nic, err)
	}
	numbers, err := namespaces()
	if err != nil {
		return nil, fmt.Errorf("list network namespaces: %w", err)
	}
	var out []string
	for _, number := range numbers {
		links, err := dump(func() ([]netlink.Link, error) { return linksIn(number) })
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			continue // it has gone, or is not ours to look into
		}
		for _, link := range links {
			if isLent(link) && link.Attrs().ParentIndex == below.Attrs().Index {
				out = append(out, link.Attrs().Name)
			}
		}
	}
	slices.Sort(out)
	return out, nil
}

// isLent tells of a device in another namespace that it stands on one of a
// namespace which is not its own.
func isLent(link netlink.Link) bool {
	return link.Attrs().NetNsID >= 0 && slices.Contains([]string{"macvlan", "macvtap", "ipvlan", "ipvtap", "vlan"}, link.Type())
}

// namespaces are the numbers of those that this one has a number for
// (RTM_GETNSID).
func namespaces() (numbers []int32, err error) {
	head := nl.NewRtGenMsg()
	request := nl.NewNetlinkRequest(unix.RTM_GETNSID, unix.NLM_F_DUMP)
	request.AddData(head)
	messages, err := request.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWNSID)
	if err != nil {
		return nil, err
	}
	for _, message := range messages {
		attributes, err := nl.ParseRouteAttr(message[head.Len():])
		if err != nil {
			return nil, err
		}
		for _, attribute := range attributes {
			if attribute.Attr.Type == netlink.NETNSA_NSID && len(attribute.Value) == 4 {
				numbers = append(numbers, int32(nl.NativeEndian().Uint32(attribute.Value)))
			}
		}
	}
	return numbers, nil
}

// linksIn lists the links of another namespace, which Linux 4.16 and later do.
func linksIn(number int32) (links []netlink.Link, err error) {
	request := nl.NewNetlinkRequest(unix.RTM_GETLINK, unix.NLM_F_DUMP)
	request.AddData(nl.NewIfInfomsg(unix.AF_UNSPEC))
	request.AddData(nl.NewRtAttr(unix.IFLA_TARGET_NETNSID, nl.Uint32Attr(uint32(number))))
	messages, err := request.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWLINK)
	if err != nil {
		return nil, err
	}
	for _, message := range messages {
		link, err := netlink.LinkDeserialize(nil, message)
		if err != nil {
			return nil, err
		}
		links = append(links, link)
	}
	return links, nil
}
