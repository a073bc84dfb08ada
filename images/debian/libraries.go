package debian

import (
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
)

// CheckLibraries fails when a program or library below root needs a library
// that is not there, naming both: a tree that was pruned too far is found when
// it is built, not when a container of it starts.
func CheckLibraries(root string) error {
	present := map[string]bool{}
	needed := map[string][]string{} // library → who needs it
	err := filepath.WalkDir(filepath.Join(root, "usr"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		present[d.Name()] = true
		if !d.Type().IsRegular() {
			return nil
		}
		libraries, err := imports(path)
		for _, library := range libraries {
			needed[library] = append(needed[library], strings.TrimPrefix(path, root))
		}
		return err
	})
	if err != nil {
		return err
	}
	return missing(present, needed)
}

// imports returns what a file says it needs; nothing when it is no ELF file.
func imports(path string) ([]string, error) {
	file, err := elf.Open(path)
	var format *elf.FormatError
	if errors.As(err, &format) || (err != nil && strings.Contains(err.Error(), "EOF")) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	libraries, err := file.ImportedLibraries()
	if errors.Is(err, elf.ErrNoSymbols) {
		return nil, nil
	}
	return libraries, err
}

func missing(present map[string]bool, needed map[string][]string) error {
	var failures []string
	for library, users := range needed {
		if !present[library] {
			slices.Sort(users)
			failures = append(failures, fmt.Sprintf("%s is missing, needed by %s", library, strings.Join(users, ", ")))
		}
	}
	if len(failures) == 0 {
		return nil
	}
	slices.Sort(failures)
	return errors.New(strings.Join(failures, "\n"))
}
