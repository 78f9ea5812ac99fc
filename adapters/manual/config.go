package manual

// Config is the section manual of the configuration. There is nothing to configure.
type Config struct{}

// DefaultConfig returns the defaults.
func DefaultConfig() Config { return Config{} }

// Validate accepts what there is.
func (Config) Validate() error { return nil }
