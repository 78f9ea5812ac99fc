package config

import (
	"fmt"
	"os"
)

// A secret can be kept in a file: beside the secret key x there is a key x_file then, which names it. The two are spellings of one
// thing.

// spellings are the two keys of a secret.
type spellings struct{ direct, file *leaf }

// secretsWithFiles lists the secrets that can be kept in a file.
func (s *schema) secretsWithFiles() []spellings {
	var all []spellings
	for _, l := range s.leaves {
		if file := s.byName[l.name+"_file"]; l.secret && l.kind == kindString && file != nil && file.kind == kindString {
			all = append(all, spellings{direct: l, file: file})
		}
	}
	return all
}

// setBy reports whether a layer sets the secret in either way. An empty text sets nothing: a variable without a value is often just
// left over.
func (p spellings) setBy(l layer) bool {
	for _, key := range []*leaf{p.direct, p.file} {
		if text, ok := l.values[key.name].(string); ok && text != "" {
			return true
		}
	}
	return false
}

// warnings says which files of secrets everybody can read. That a file is missing or not readable at all is for Validate to find.
func (p spellings) warnings(origin map[string]string) []string {
	name := p.file.value.String()
	if name == "" {
		return nil
	}
	if info, err := os.Stat(name); err != nil || info.Mode().Perm()&0o004 == 0 {
		return nil
	}
	open := fmt.Errorf("every user of this machine can read %s; run: chmod 600 %s", name, name)
	return []string{Fault{origin[p.file.name], p.file.name, open}.Error()}
}
