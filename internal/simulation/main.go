// Command simulation estimates what tens of millions of users would ask of the daemons and their journals: as they are, and with what
// docs/scale.md proposes. It measures nothing; what things cost is in costs.go, from the benchmarks. Its output is always the same, and the
// tables of docs/scale.md are its output.
//
// `make simulate` runs it, and brings the page up to date.
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	page := flag.String("page", "", "bring the tables of this page up to date instead of printing them")
	flag.Parse()
	if err := run(*page); err != nil {
		fmt.Fprintln(os.Stderr, "simulation:", err)
		os.Exit(1)
	}
}

func run(page string) error {
	tables := simulate()
	if page == "" {
		for _, t := range tables {
			fmt.Printf("%s\n\n%s\n", t.name, t.markdown())
		}
		return nil
	}
	text, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	updated, err := fill(string(text), tables)
	if err != nil {
		return fmt.Errorf("%s: %w", page, err)
	}
	return os.WriteFile(page, []byte(updated), 0o644)
}
