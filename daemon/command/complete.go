package command

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/zarafa/presence/daemon/config"
	"github.com/zarafa/presence/daemon/internal/wiring"
	"github.com/zarafa/presence/domain"
)

// completeValues lets a shell complete the values of those flags that have few.
func completeValues(command *cobra.Command, protocols []wiring.Protocol) error {
	sources, clients := wiring.Names(protocols)
	values := map[string][]string{"protocols": sources, "protocol": clients, "activity": domain.Activities()}
	if command.Name() == "watch" {
		values["until"] = statusNames()
	}
	keys, err := config.Keys(wiring.Sections(protocols)...)
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
