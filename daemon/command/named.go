package command

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zarafa/presence/domain"
)

// named are the users and groups that a command is about. An argument names a group as the lists of users of a configuration do.
type named struct {
	users, groups []string
	flagged       []string // groups, by the flag
}

// flag adds the flag that names groups.
func (n *named) flag(command *cobra.Command) {
	command.Flags().StringArrayVar(&n.flagged, "group", nil, "the same as an argument group:`NAME`; may be repeated")
}

// take reads the arguments, and adds what flags name.
func (n *named) take(args []string) {
	n.users, n.groups = nil, slices.Clone(n.flagged)
	for _, arg := range args {
		if group, is := strings.CutPrefix(arg, domain.GroupPrefix); is {
			n.groups = append(n.groups, group)
		} else {
			n.users = append(n.users, arg)
		}
	}
}

// count returns how many users and groups there are.
func (n *named) count() int { return len(n.users) + len(n.groups) }
