// Package config reads the daemon's configuration: defaults, then one file, then the environment, then flags, each over the one
// before it. Package daemon/internal/wiring calls it; commands reach it through that.
//
// It knows no adapter. It is given sections, each a name and a pointer to a struct that holds the defaults, and koanf decodes into them:
//
//	Listen string `koanf:"listen" help:"address and port to listen on"`
//
// A key may be a text, bool, whole number, time.Duration, setting.Secret, or anything that implements encoding.TextUnmarshaler; a list or a map
// of texts; or, in the file only, a list or a map of structs of such keys.
//
// A setting.Secret is masked wherever the configuration is shown and has no flag, because every user of a machine can read command lines.
// Beside a secret key x there is a key x_file that names a file with the secret. The two count as one: whatever source sets either of
// them replaces both of an earlier source.
//
// An unknown key, a wrong type or a key set twice is a Fault that says where, what, and what was expected. All faults are collected, so that
// one run shows them all.
package config
