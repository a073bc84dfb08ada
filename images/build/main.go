// Command build makes Hawser's container images as archives, on any Linux
// machine with Go, mmdebstrap and root, without a container engine:
//
//	go run ./images/build --out dist --arch amd64,arm64 --tag dev
//
// An image whose parts did not change since the last run is left as it is.
package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"
)

// options are the command line and what main reads of the environment.
type options struct {
	out, cache           string
	registry, tag        string
	version              string
	architectures, names []string
}

func (o *options) bind(flags *pflag.FlagSet) {
	flags.StringVar(&o.out, "out", "dist", "directory for the archives")
	flags.StringVar(&o.registry, "registry", "docker.io/hawser", "what stands before the name in an image's reference")
	flags.StringVar(&o.tag, "tag", "dev", "tag of the images")
	flags.StringVar(&o.version, "version", "", "version that the binaries report (default: the tag)")
	flags.StringSliceVar(&o.architectures, "arch", []string{runtime.GOARCH}, "architectures: amd64, arm64")
	flags.StringSliceVar(&o.names, "image", []string{"kube-ovn", "ovn"}, "which images to build")
}

func (o *options) validate() error {
	o.version = cmp.Or(o.version, o.tag)
	for _, name := range o.names {
		if !slices.Contains([]string{"kube-ovn", "ovn"}, name) {
			return fmt.Errorf("--image %q: there are kube-ovn and ovn", name)
		}
	}
	for _, architecture := range o.architectures {
		if !slices.Contains([]string{"amd64", "arm64"}, architecture) {
			return fmt.Errorf("--arch %q: there are amd64 and arm64", architecture)
		}
	}
	return nil
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "images:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, arguments []string) error {
	var o options
	flags := pflag.NewFlagSet("build", pflag.ContinueOnError)
	o.bind(flags)
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	if err := o.validate(); err != nil {
		return err
	}
	o.cache = cmp.Or(os.Getenv("HAWSER_CACHE"), "/var/cache/hawser")
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return err
	}
	for _, architecture := range o.architectures {
		for _, name := range o.names {
			if err := o.build(ctx, name, architecture); err != nil {
				return fmt.Errorf("%s for %s: %w", name, architecture, err)
			}
		}
	}
	return nil
}

// build makes one image of one architecture, unless it is there already.
func (o *options) build(ctx context.Context, name, architecture string) error {
	contents := o.kubeOVN
	if name == "ovn" {
		contents = o.ovn
	}
	image, err := contents(ctx, architecture)
	if err != nil {
		return err
	}
	archive := filepath.Join(o.out, name+"-"+architecture+".tar")
	fresh, err := image.write(archive)
	if err != nil {
		return err
	}
	state := "unchanged"
	if fresh {
		state = "written"
	}
	fmt.Println(archive, image.Ref, state)
	return nil
}
