package manual

// Config is the section manual of the configuration.
type Config struct {
	Enabled bool `koanf:"enabled" help:"let people set their status themselves, until a time or until they take it away"`
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config { return Config{Enabled: true} }

// On says whether the protocol is on.
func (c Config) On() bool { return c.Enabled }
