package takeover

import (
	"fmt"
	"time"

	"hawser/internal/takeover/vrrp"
)

// speakers speak for the host's VRRP daemons while a NIC changes its name, by provider
// network. Like a detour they live in this process alone.
type speakers map[string]*vrrp.StandIn

// How long a stand-in is given to hear a daemon, whose interval is a second unless
// somebody has set another, and to speak until the daemon is master again, which takes
// it more than three.
const (
	hearing  = 1200 * time.Millisecond
	speaking = 10 * time.Second
)

// begin has one listen to what leaves by the NIC, if a daemon speaks by a device: the
// NIC, or the bridge with its name.
func (s speakers) begin(provider string, nic, by device) error {
	s.end(provider)
	listens, err := vrrp.Listens(by.index)
	if err != nil || !listens {
		return err
	}
	one, err := vrrp.Listen(nic.index)
	if err != nil {
		return fmt.Errorf("%s: %w", nic.name, err)
	}
	one.Heard(hearing)
	s[provider] = one
	return nil
}

// relieve waits until daemons speak for themselves, and ends the stand-in.
func (s speakers) relieve(provider string) {
	if one := s[provider]; one != nil {
		one.Relieved(speaking)
	}
	s.end(provider)
}

// end silences a stand-in, if there is one.
func (s speakers) end(provider string) {
	if one := s[provider]; one != nil {
		one.Close()
		delete(s, provider)
	}
}
