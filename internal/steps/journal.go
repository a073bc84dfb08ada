package steps

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"hawser/internal/host"
)

// suffix of the journal's files; the rest of a file's name is the plan's.
const suffix = ".json"

// record is one file of the journal.
type record struct {
	Settled bool        `json:"settled"`
	Want    []host.Step `json:"want"`
	// Have are the steps that were begun, in order. One of them, often the last,
	// may not have been done.
	Have []begun `json:"have"`
	// Stood are the steps that a failure goes back to: those of what was settled
	// before, as far as the wanted plan leaves it alone.
	Stood []host.Step `json:"stood,omitempty"`
}

// begun is a step and the boot in which its Before was seen: a reboot takes
// most of what a step did away, and another begins.
type begun struct {
	Boot string    `json:"boot"`
	Step host.Step `json:"step"`
}

// journal is a folder with a file for each plan.
type journal struct {
	folder string
	flush  func(*os.File) error // returns once the disk has the file, or the folder's names
}

// openJournal makes the folder where it is missing. Its own name has to survive a
// power cut too, and those of the folders that were made for it.
func openJournal(folder string, flush func(*os.File) error) (journal, error) {
	j := journal{folder: folder, flush: flush}
	made := []string{folder}
	for above := filepath.Dir(folder); !exists(above); above = filepath.Dir(above) {
		made = append(made, above)
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return journal{}, fmt.Errorf("make the journal of host changes: %w", err)
	}
	for _, name := range made {
		if err := j.sync(filepath.Dir(name)); err != nil {
			return journal{}, fmt.Errorf("make the journal of host changes: %w", err)
		}
	}
	return j, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

func (j journal) path(name string) string { return filepath.Join(j.folder, name+suffix) }

// read gives the zero record of a name that has no file.
func (j journal) read(name string) (record, error) {
	text, err := os.ReadFile(j.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return record{}, nil
	}
	if err != nil {
		return record{}, fmt.Errorf("read the journal of host changes: %w", err)
	}
	var found record
	if err := json.Unmarshal(text, &found); err != nil {
		return record{}, fmt.Errorf("the journal %s cannot be read, so that nothing is done; move it away once the host is as it should be: %w", j.path(name), err)
	}
	return found, nil
}

func (j journal) all() (map[string]record, error) {
	files, err := os.ReadDir(j.folder)
	if err != nil {
		return nil, fmt.Errorf("read the journal of host changes: %w", err)
	}
	records := map[string]record{}
	var errs []error
	for _, file := range files {
		name, ours := strings.CutSuffix(file.Name(), suffix)
		if !ours {
			continue
		}
		found, err := j.read(name)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		records[name] = found
	}
	return records, errors.Join(errs...)
}

// write returns once the disk has the record. The old one is there until the
// new one is whole.
func (j journal) write(name string, r record) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err == nil {
		err = j.replace(name, text)
	}
	if err != nil {
		return fmt.Errorf("write the journal of host changes: %w", err)
	}
	return nil
}

func (j journal) replace(name string, text []byte) error {
	fresh := j.path(name) + ".new"
	file, err := os.OpenFile(fresh, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err := file.Write(text); err != nil {
		return err
	}
	if err := j.flush(file); err != nil {
		return err
	}
	if err := os.Rename(fresh, j.path(name)); err != nil {
		return err
	}
	return j.sync(j.folder)
}

func (j journal) remove(name string) error {
	err := os.Remove(j.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = j.sync(j.folder)
	}
	if err != nil {
		return fmt.Errorf("remove a journal of host changes: %w", err)
	}
	return nil
}

// sync makes new and removed names in a folder survive a power cut.
func (j journal) sync(folder string) error {
	names, err := os.Open(folder)
	if err != nil {
		return err
	}
	defer names.Close()
	return j.flush(names)
}
