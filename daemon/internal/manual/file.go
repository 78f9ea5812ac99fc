package main

import (
	"bytes"
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/zarafa/presence/daemon/config"
)

const fileIntroduction = `zarafa-presence reads one YAML file: the one that --config or the variable PRESENCE_CONFIG names, else
/etc/zarafa-presence/zarafa-presence.yaml if it is there. An environment variable goes before the file, and a flag before both. Secrets
have no flag. An unknown key stops the start, and so does a value that makes no sense; zarafa-presence-check(1) finds both.

Durations are written like 90s, 5m or 1h30m, sizes like 16KiB or 1MiB. In the environment and as a flag a list is a,b and a map a=b,c=d.
After each key there are its type, its default, its variable and its flag.`

// filePage is the manual page of the configuration file, in the language of man(7).
func filePage(keys []config.Key, version string, date time.Time) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, ".TH ZARAFA\\-PRESENCE.YAML 5 %q %q zarafa\\-presence\n", date.Format("Jan 2006"), roff("zarafa-presence "+version))
	b.WriteString(".SH NAME\nzarafa\\-presence.yaml \\- the configuration of zarafa\\-presence\n")
	b.WriteString(".SH DESCRIPTION\n" + strings.ReplaceAll(roff(fileIntroduction), "\n\n", "\n.PP\n") + "\n")
	current := ""
	for _, key := range keys {
		section, name, _ := strings.Cut(key.Name, ".")
		if name == "" {
			section, name = "top level", section
		}
		if section != current {
			current = section
			fmt.Fprintf(&b, ".SH %q\n", strings.ToUpper(section))
			if section != "top level" {
				fmt.Fprintf(&b, "The keys of the section\n.BR %s .\n", roff(section))
			}
		}
		fmt.Fprintf(&b, ".TP\n.B %s\n%s.\n.br\n%s\n", roff(name), roff(key.Help), roff(strings.Join(facts(key), "; ")))
	}
	b.WriteString(".SH FILES\n.TP\n.I /etc/zarafa\\-presence/zarafa\\-presence.yaml\nThe usual file.\n" +
		".TP\n.I /usr/share/zarafa\\-presence/zarafa\\-presence.schema.json\nA JSON Schema of the file, for editors.\n")
	b.WriteString(".SH SEE ALSO\n.BR zarafa\\-presence (1),\n.BR zarafa\\-presence\\-check (1),\n.BR zarafa\\-presence\\-serve (1)\n")
	return b.Bytes()
}

// facts are the type of a key, its values, its default and its other names.
func facts(key config.Key) []string {
	all := []string{key.Type}
	if key.Choice != "" {
		all = append(all, "one of "+strings.ReplaceAll(key.Choice, ",", ", "))
	}
	if !key.Secret {
		all = append(all, "default "+cmp.Or(key.Default, "empty"))
	}
	if key.Restart {
		all = append(all, "takes effect at the next start")
	}
	if key.Env == "" {
		return append(all, "in the file only")
	}
	all = append(all, key.Env)
	if key.Flag != "" {
		all = append(all, key.Flag)
	}
	return all
}

// roff keeps a text from meaning something to troff.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text)
	for _, first := range []string{".", "'"} { // at the beginning of a line it would be a request
		text = strings.ReplaceAll("\n"+text, "\n"+first, "\n\\&"+first)[1:]
	}
	return text
}
