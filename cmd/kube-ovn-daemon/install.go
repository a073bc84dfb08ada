package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
)

// Where the image has the CNI plugins: ours, and those that go along.
const (
	ownPlugin    = "/kube-ovn/kube-ovn"
	otherPlugins = "/kube-ovn/cni"
)

func installCommand() *cobra.Command {
	var to string
	cmd := &cobra.Command{
		Use:   "install",
		Short: "Copy the CNI plugins to the node",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := install(ownPlugin, otherPlugins, to); err != nil {
				return fmt.Errorf("installing the CNI plugins: %w", err)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&to, "to", "/opt/cni/bin", "folder of the node's CNI plugins")
	return cmd
}

// install copies our plugin always, and the others where the node has none of
// that name: another one there may be newer, or somebody else's.
func install(own, others, to string) error {
	if err := place(own, to); err != nil {
		return err
	}
	entries, err := os.ReadDir(others)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		_, err := os.Stat(filepath.Join(to, entry.Name()))
		if err == nil {
			continue
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := place(filepath.Join(others, entry.Name()), to); err != nil {
			return err
		}
	}
	return nil
}

// place puts a program into a folder in one step, so that a runtime that starts
// it at this moment gets the old one or the new one, whole.
func place(program, folder string) error {
	source, err := os.Open(program)
	if err != nil {
		return err
	}
	defer source.Close()
	fresh, err := os.CreateTemp(folder, "."+filepath.Base(program)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(fresh.Name()) // after the rename there is nothing left to remove
	_, copied := io.Copy(fresh, source)
	if err := errors.Join(copied, fresh.Chmod(0o755), fresh.Sync(), fresh.Close()); err != nil {
		return fmt.Errorf("copy %s: %w", program, err)
	}
	return os.Rename(fresh.Name(), filepath.Join(folder, filepath.Base(program)))
}
