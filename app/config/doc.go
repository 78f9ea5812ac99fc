// Package config reads the daemon's configuration: defaults, then one file, then the environment, then flags, each over the one
// before it. Package wiring calls it; commands reach it through that.
//
// It knows no adapter. It is given sections, each a name and a pointer to a struct that holds the defaults, and finds the keys
// by the struct's tags:
//
//	Listen string `koanf:"listen" help:"address and port to listen on"`
//
// A field with the tag secret:"true" is masked wherever the configuration is shown and has no flag, because a process' command
// line can be read by every user of the machine.
//
// Beside a secret key x there may be a key x_file that names a file with the secret. The two count as one: whatever source sets either of
// them replaces both of an earlier source. Reading the file is the adapter's part; that everybody can read it is warned of here.
//
// Nothing is guessed: an unknown key, a wrong type or a key set twice is a Fault that says where, what, and what was expected. All
// faults are collected, so that one run shows them all.
package config
