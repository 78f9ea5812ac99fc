package command

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/zarafa/presence/daemon/config"
	"github.com/zarafa/presence/daemon/internal/suggest"
)

// flagFault says in our words what is wrong with a command line's flags, and which command or flag may have been meant.
func flagFault(command *cobra.Command, args []string, err error) error {
	if word := firstWord(command, args); !command.HasParent() && word != "" { // its flags are those of a command that there is not
		return unknownCommand(command, word)
	}
	switch fault := err.(type) { //nolint:errorlint // pflag wraps none of them
	case *pflag.NotExistError:
		name, names := fault.GetSpecifiedName(), []string{}
		if fault.GetSpecifiedShortnames() != "" {
			return fmt.Errorf("unknown flag: -%s", name)
		}
		command.Flags().VisitAll(func(flag *pflag.Flag) {
			if _, obsolete := flag.Annotations[config.ObsoleteFlag]; !obsolete {
				names = append(names, "--"+flag.Name)
			}
		})
		return fmt.Errorf("unknown flag: --%s%s", name, suggest.DidYouMean("--"+name, append(names, below(command)...)))
	case *pflag.ValueRequiredError:
		return fmt.Errorf("--%s needs a value", fault.GetFlag().Name)
	case *pflag.InvalidValueError:
		return fmt.Errorf("--%s: %w; it is %.60q", fault.GetFlag().Name, fault.Unwrap(), fault.GetValue())
	case *pflag.InvalidSyntaxError:
		return fmt.Errorf("%.60q is no flag", fault.GetSpecifiedFlag())
	}
	return err
}

// firstWord is the first argument that is no flag, whatever flags there are.
func firstWord(command *cobra.Command, args []string) string {
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	flags.AddFlagSet(command.PersistentFlags())
	flags.ParseErrorsAllowlist.UnknownFlags = true
	flags.Usage = func() {}
	_ = flags.Parse(args) // what is wrong is known already
	return flags.Arg(0)
}

// unknownCommand says that a command has no other one below it that is called so, and which one may have been meant.
func unknownCommand(command *cobra.Command, word string) error {
	return fmt.Errorf("unknown command %.60q%s", word, suggest.DidYouMean(word, below(command)))
}

// below lists the names of the commands below one.
func below(command *cobra.Command) []string {
	names := make([]string, 0, len(command.Commands()))
	for _, other := range command.Commands() {
		names = append(names, other.Name())
	}
	return names
}

// group makes a command that stands above others refuse what is none of them.
func group(command *cobra.Command) {
	command.Args = cobra.ArbitraryArgs
	command.RunE = func(_ *cobra.Command, args []string) error {
		if len(args) > 0 {
			return unknownCommand(command, args[0])
		}
		return command.Help()
	}
}

// help is the command that explains others.
func help() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Explain a command",
		Args:  cobra.ArbitraryArgs,
		RunE: func(command *cobra.Command, args []string) error {
			about, rest, err := command.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return unknownCommand(cmp.Or(about, command.Root()), append(rest, "")[0])
			}
			return about.Help()
		},
		ValidArgsFunction: func(command *cobra.Command, args []string, _ string) (names []string, _ cobra.ShellCompDirective) {
			if about, rest, err := command.Root().Find(args); err == nil && len(rest) == 0 {
				names = below(about)
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
	}
}

// between is a check for the number of arguments that says which are expected. Without a most there may be any number.
func between(least, most int, expected string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return fmt.Errorf("missing arguments: expected %s", expected)
		case most > 0 && len(args) > most:
			return fmt.Errorf("too many arguments from %q on: expected %s", args[most], expected)
		}
		return nil
	}
}

// noArguments is a check that there are none.
func noArguments(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("too many arguments from %q on: expected none", args[0])
	}
	return nil
}

var errForAndUntil = errors.New("--for and --until exclude each other")
