package controller

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	eventsv1 "k8s.io/api/events/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kubeovnv1 "hawser/api/v1"
)

func expectAbsent(w *world, names ...string) error {
	ips := w.ips()
	for _, name := range names {
		if ips[name] != nil {
			return fmt.Errorf("IP %s is there", name)
		}
	}
	return nil
}

func expectedIP(ip *kubeovnv1.IP) error {
	if ip == nil {
		return errors.New("there is no IP object")
	}
	return nil
}

func mustAddr(pair string) netip.Addr {
	return netip.MustParseAddr(strings.Split(pair, ",")[0])
}

// event waits for an event on an object.
func (w *world) event(obj client.Object, reason string) string {
	w.t.Helper()
	var note string
	w.eventually("no event "+reason+" on "+obj.GetName(), func() error {
		var list eventsv1.EventList
		if err := w.api.List(context.Background(), &list); err != nil {
			return err
		}
		var others []string
		for _, e := range list.Items {
			if e.Regarding.Name == obj.GetName() && e.Regarding.UID == obj.GetUID() {
				if e.Reason == reason {
					note = e.Note
					return nil
				}
				others = append(others, e.Reason+": "+e.Note)
			}
		}
		return fmt.Errorf("events %q", others)
	})
	return note
}
