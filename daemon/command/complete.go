package command

import (
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zarafa/presence/daemon/config"
	"github.com/zarafa/presence/daemon/internal/wiring"
	"github.com/zarafa/presence/domain"
)

// completeValues lets a shell complete the values of those flags that have few.
func (c *cli) completeValues(command *cobra.Command) error {
	sources, _ := wiring.Names(c.protocols)
	values := map[string][]string{"protocols": sources, "activity": domain.Activities()}
	if command.Flags().Lookup("protocol") != nil {
		if err := command.RegisterFlagCompletionFunc("protocol", c.completeClients); err != nil {
			return err
		}
	}
	if command.Name() == "watch" {
		values["until"] = statusNames()
	}
	keys, err := config.Keys(wiring.Sections(c.protocols)...)
	if err != nil {
		return err
	}
	for _, key := range keys {
		if key.Choice != "" {
			values[key.Name] = strings.Split(key.Choice, ",")
		}
	}
	for name, choice := range values {
		if command.Flags().Lookup(name) == nil {
			continue
		}
		if err := command.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(choice, cobra.ShellCompDirectiveNoFileComp)); err != nil {
			return err
		}
	}
	return nil
}

// completeClients lists the protocols that clients set, with those that the configuration declares, if it can be read.
func (c *cli) completeClients(command *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	_, names := wiring.Names(c.protocols)
	settings, _ := c.settings(command) // whatever is wrong with it is no matter here
	return append(names, slices.Sorted(maps.Keys(settings.General.Clients))...), cobra.ShellCompDirectiveNoFileComp
}

func completeStatus(_ *cobra.Command, args []string, _ string) (names []string, _ cobra.ShellCompDirective) {
	if len(args) == 1 {
		names = statusNames()
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func statusNames() (names []string) {
	for _, status := range domain.Statuses() {
		names = append(names, status.String())
	}
	return names
}
