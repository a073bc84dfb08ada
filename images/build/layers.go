package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"

	"hawser/images"
)

// compile builds static programs into directory of a layer and returns the
// layer. Nothing of the machine gets into them: no paths, no symbols, no state
// of the work tree, so that the same source makes the same bytes.
func (o *options) compile(ctx context.Context, layer, architecture, directory string, packages []string) (string, error) {
	root := o.stage(layer, architecture)
	target, err := filepath.Abs(filepath.Join(root, directory))
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(target, 0o755); err != nil {
		return "", err
	}
	arguments := []string{
		"build", "-trimpath", "-buildvcs=false",
		"-ldflags", "-s -w -X main.version=" + o.version, "-o", target + "/",
	}
	command := exec.CommandContext(ctx, "go", append(arguments, packages...)...)
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+architecture)
	command.Stderr = os.Stderr
	if err := command.Run(); err != nil {
		return "", fmt.Errorf("go build of %s: %w", layer, err)
	}
	return root, keepOnly(target, packages)
}

// keepOnly removes what an earlier run left in a layer's directory: programs
// that are in the list no more.
func keepOnly(directory string, packages []string) error {
	entries, err := os.ReadDir(directory)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		wanted := slices.ContainsFunc(packages, func(name string) bool { return path.Base(name) == entry.Name() })
		if wanted {
			continue
		}
		if err := os.RemoveAll(filepath.Join(directory, entry.Name())); err != nil {
			return err
		}
	}
	return nil
}

// scripts writes the start scripts, which are embedded in package images, as a
// layer.
func (o *options) scripts(architecture string) (string, error) {
	root := o.stage("ovn", architecture)
	directory := filepath.Join(root, "kube-ovn")
	if err := os.RemoveAll(root); err != nil {
		return "", err
	}
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return "", err
	}
	entries, err := images.Scripts.ReadDir("ovn")
	if err != nil {
		return "", err
	}
	for _, entry := range entries {
		content, err := images.Scripts.ReadFile("ovn/" + entry.Name())
		if err != nil {
			return "", err
		}
		if err := os.WriteFile(filepath.Join(directory, entry.Name()), content, 0o755); err != nil {
			return "", err
		}
	}
	return root, nil
}
