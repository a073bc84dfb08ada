package steps

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"hawser/internal/host"
)

// disk is one that keeps over a power cut what it was told to, and no more: a file's
// bytes by its inode, and the names of a folder apart from them.
type disk struct {
	bytes   map[uint64][]byte
	names   map[string]uint64
	folders []string
	calls   int
	failAt  int // the call, counted from 1, that fails
}

func newDisk() *disk { return &disk{bytes: map[uint64][]byte{}, names: map[string]uint64{}} }

func (d *disk) flush(file *os.File) error {
	if d.calls++; d.calls == d.failAt {
		return errors.New("the disk is broken")
	}
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if !info.IsDir() {
		d.bytes[inode(info)], err = os.ReadFile(file.Name())
		return err
	}
	d.folders = append(d.folders, file.Name())
	entries, err := os.ReadDir(file.Name())
	for _, entry := range entries {
		if info, err := entry.Info(); err == nil {
			d.names[filepath.Join(file.Name(), entry.Name())] = inode(info)
		}
	}
	return err
}

func inode(info fs.FileInfo) uint64 { return info.Sys().(*syscall.Stat_t).Ino }

// kept is what a file would hold after a power cut; nothing if it would not be there.
func (d *disk) kept(file string) []byte { return d.bytes[d.names[file]] }

// observed is a stage that compares the journal with what the disk would keep of it,
// at each of its calls.
type observed struct {
	*stage
	*testing.T
	disk *disk
	file string
}

func (o observed) look(what string, step host.Step) {
	o.Helper()
	now, err := os.ReadFile(o.file)
	if err != nil || !bytes.Equal(now, o.disk.kept(o.file)) {
		o.Errorf("%s %q: a power cut would leave %q of the journal %q (%v)", what, step.Text(), o.disk.kept(o.file), now, err)
	}
	var noted record
	known := func(b begun) bool { return b.Step.Same(step) }
	if err := json.Unmarshal(now, &noted); what != "before" && (err != nil || !slices.ContainsFunc(noted.Have, known)) {
		o.Errorf("%s %q, which the journal does not know: %s (%v)", what, step.Text(), now, err)
	}
}

func (o observed) Before(ctx context.Context, step host.Step) (string, error) {
	o.look("before", step)
	return o.stage.Before(ctx, step)
}

func (o observed) Do(ctx context.Context, step host.Step) error {
	o.look("do", step)
	return o.stage.Do(ctx, step)
}

func (o observed) Undo(ctx context.Context, step host.Step) error {
	o.look("undo", step)
	return o.stage.Undo(ctx, step)
}

// TestTheDiskKnowsFirst: file and folder are flushed before each step, there, on the
// way to another plan, and back.
func TestTheDiskKnowsFirst(t *testing.T) {
	dir, s, d := folder(t), &stage{}, newDisk()
	r := s.open(t, dir, "boot-1")
	r.journal.flush = d.flush
	for action := range r.edges {
		r.edges[action] = observed{stage: s, T: t, disk: d, file: filepath.Join(dir, "lan.json")}
	}
	for _, want := range []host.Plan{plan("eth1"), plan("eth1", "eth2"), plan("eth2"), {}} {
		if err := r.Settle(t.Context(), "lan", want); err != nil || !s.is(want) {
			t.Fatalf("%v: host has %v", err, s.has)
		}
	}
	if s.calls == 0 || d.calls < s.calls/2 {
		t.Errorf("%d calls of the disk for %d of the edges", d.calls, s.calls)
	}
}

// TestNothingIsDoneThatTheDiskDoesNotKnow: neither with the file nor with the folder
// lost. The journal that was there before stays where the new one is not whole.
func TestNothingIsDoneThatTheDiskDoesNotKnow(t *testing.T) {
	for failAt, what := range map[int]string{1: "the file", 2: "the folder"} {
		dir, s := folder(t), &stage{}
		if err := s.settle(t, dir, plan("eth1")); err != nil {
			t.Fatal(err)
		}
		before, _ := os.ReadFile(filepath.Join(dir, "lan.json"))
		s = s.again()
		r := s.open(t, dir, "boot-1")
		r.journal.flush = (&disk{failAt: failAt, bytes: map[uint64][]byte{}, names: map[string]uint64{}}).flush
		if err := r.Settle(t.Context(), "lan", plan("eth2")); err == nil || s.calls > 0 || !s.is(plan("eth1")) {
			t.Errorf("%s is lost: %v after %d calls, host has %v", what, err, s.calls, s.has)
		}
		if after, _ := os.ReadFile(filepath.Join(dir, "lan.json")); what == "the file" && !bytes.Equal(before, after) {
			t.Errorf("the journal was %s and is %s", before, after)
		}
	}
}

// TestTheJournalsFolderSurvives a power cut after it was made.
func TestTheJournalsFolderSurvives(t *testing.T) {
	top, d := folder(t), newDisk()
	if _, err := openJournal(filepath.Join(top, "origin", "uplinks"), d.flush); err != nil {
		t.Fatal(err)
	}
	if want := []string{filepath.Join(top, "origin"), top}; !slices.Equal(d.folders, want) {
		t.Errorf("flushed %v, want %v", d.folders, want)
	}
	d.failAt = d.calls + 1
	if _, err := openJournal(filepath.Join(top, "origin", "uplinks"), d.flush); err == nil {
		t.Error("a folder that the disk may lose was opened")
	}
}
