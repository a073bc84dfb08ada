package uplink

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"

	"github.com/cilium/ebpf"

	"hawser/internal/host"
)

// note is what a NIC was before a step, pinned beside the programs. The journal
// has the same, but it is a file that somebody may delete; what we have set since
// then would look as if it had been there before us.
type note struct {
	NIC  uint32 // its index: of another NIC, or after a boot, the note says nothing
	Text [4092]byte
}

// pinOfNote is what the note of a step's action is pinned as.
func pinOfNote(action host.Action) string { return "before_" + string(action) }

// readNote gives what was pinned of a step's NIC; "" if nothing was.
func (s *shelf) readNote(step host.Step, nic int) (string, error) {
	opened, err := ebpf.LoadPinnedMap(s.pin(step.Uplink, pinOfNote(step.Action)), nil)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("open the note of what %s was: %w", step.Uplink.NIC, err)
	}
	defer opened.Close()
	var found note
	if err := opened.Lookup(uint32(0), &found); err != nil {
		return "", fmt.Errorf("read the note of what %s was: %w", step.Uplink.NIC, err)
	}
	if int(found.NIC) != nic {
		return "", nil
	}
	text, _, _ := bytes.Cut(found.Text[:], []byte{0})
	return string(text), nil
}

// pinNote pins what the journal says, before the step is done.
func (s *shelf) pinNote(step host.Step, nic int) error {
	have, err := s.readNote(step, nic)
	if err != nil || have == step.Before {
		return err
	}
	fresh := note{NIC: uint32(nic)}
	copy(fresh.Text[:], step.Before)
	made, err := ebpf.NewMap(&ebpf.MapSpec{
		Name: "before", Type: ebpf.Array, KeySize: 4, ValueSize: uint32(len(fresh.Text)) + 4, MaxEntries: 1,
	})
	if err != nil {
		return fmt.Errorf("make the note of what %s was: %w", step.Uplink.NIC, refusal(err))
	}
	defer made.Close()
	if err := made.Put(uint32(0), fresh); err != nil {
		return fmt.Errorf("write the note of what %s was: %w", step.Uplink.NIC, err)
	}
	return pinOver(made, s.pin(step.Uplink, pinOfNote(step.Action)))
}
