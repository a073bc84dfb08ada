package main

import (
	"github.com/spf13/cobra"

	"hawser/test/sandbox/tools"
)

// prepareCommand builds what everything else would build on its way. Tests have
// time limits, and a new machine builds for longer than those.
func prepareCommand(p *place) *cobra.Command {
	return &cobra.Command{
		Use: "prepare", Short: "Build what clusters and tests stand on, once for this machine", Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			source, err := p.findSource()
			if err != nil {
				return err
			}
			_, err = tools.Builder{Source: source, Cache: tools.CacheDir(), Say: say}.Build(command.Context())
			return err
		},
	}
}
