package main

import (
	"io"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
	"github.com/spf13/pflag"
)

// writeCommands writes a page for a command and for each one below it.
func writeCommands(command *cobra.Command, version string, date time.Time, dir string) error {
	for _, below := range command.Commands() {
		if !below.IsAvailableCommand() {
			continue
		}
		if err := writeCommands(below, version, date, dir); err != nil {
			return err
		}
	}
	command.DisableAutoGenTag = true // no note that a program has made the page
	command.Long = markdown(command.Long)
	command.Flags().VisitAll(func(flag *pflag.Flag) { flag.Usage = escape(flag.Usage) })
	name := strings.ReplaceAll(command.CommandPath(), " ", "-")
	header := &doc.GenManHeader{Section: "1", Date: &date, Source: "zarafa-presence " + version, Manual: "zarafa-presence"}
	return create(filepath.Join(dir, name+".1"), func(w io.Writer) error { return doc.GenMan(command, header, w) })
}

// escape keeps a text from meaning something in Markdown, but for code in backticks.
func escape(text string) string { return special.ReplaceAllString(text, `\$0`) }

var (
	special  = regexp.MustCompile(`[*_<>\[\]]`)
	indented = regexp.MustCompile(`(?m)(^ +.*\n?)+`)
)

// markdown makes Markdown of a help text: what is indented there, such as a list, stays as it is.
func markdown(help string) string {
	at, b := 0, strings.Builder{}
	for _, block := range indented.FindAllStringIndex(help, -1) {
		b.WriteString(escape(help[at:block[0]]))
		b.WriteString("\n```\n" + strings.TrimRight(help[block[0]:block[1]], "\n") + "\n```\n")
		at = block[1]
	}
	b.WriteString(escape(help[at:]))
	return b.String()
}
