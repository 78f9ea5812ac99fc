package certificate

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Period is how often the files are looked at.
const Period = 2 * time.Second

// ErrTurned is why TLS stays as it is.
var ErrTurned = errors.New("http.tls_cert_file: TLS is turned on or off at the next start")

// Current is the configuration of TLS that the files ask for. Its methods may be called concurrently.
type Current struct {
	log    *slog.Logger
	config atomic.Pointer[tls.Config]

	mu      sync.Mutex
	files   Files
	text    content // that is in use
	suspect string  // what was wrong at the last look; it may be that somebody was just writing
	told    string  // what the log was told is wrong
}

// Read reads the files of a listener with TLS.
func Read(files Files, log *slog.Logger) (*Current, error) {
	c := &Current{log: log}
	return c, c.take(files)
}

// Config returns the configuration for the next connection. The others keep theirs.
func (c *Current) Config() *tls.Config { return c.config.Load() }

// Use reads the files, which may be other ones from now on. If anything is wrong with them, the former files stay in use.
func (c *Current) Use(files Files) error {
	if !files.On() {
		return ErrTurned
	}
	return c.take(files)
}

func (c *Current) take(files Files) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	text, err := files.read()
	if err != nil {
		return err
	}
	config, err := files.parse(text)
	if err != nil {
		return err
	}
	if changed := c.files != files || c.text != text; changed {
		c.use(files, text, config)
	}
	return nil
}

func (c *Current) use(files Files, text content, config *tls.Config) {
	c.files, c.text, c.suspect, c.told = files, text, "", ""
	c.config.Store(config)
	leaf := config.Certificates[0].Leaf
	c.log.Info("TLS certificate in use", "file", files.Certificate, "names", leaf.DNSNames, "not_after", leaf.NotAfter)
	if time.Now().After(leaf.NotAfter) {
		c.log.Warn("the TLS certificate has expired: clients will not accept it", "file", files.Certificate, "not_after", leaf.NotAfter)
	}
}

// Watch looks at the files until ctx ends, and takes what has changed.
func (c *Current) Watch(ctx context.Context) {
	tick := time.NewTicker(Period)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			c.look()
		case <-ctx.Done():
			return
		}
	}
}

// look takes what has changed. If something is wrong twice in a row, the log says so, once: the first time somebody may have been writing, and the
// certificate and its key cannot be replaced in one step.
func (c *Current) look() {
	c.mu.Lock()
	defer c.mu.Unlock()
	text, err := c.files.read()
	if err == nil && text == c.text {
		c.suspect, c.told = "", ""
		return
	}
	var config *tls.Config
	if err == nil {
		config, err = c.files.parse(text)
	}
	switch {
	case err == nil:
		c.use(c.files, text, config)
	case err.Error() != c.suspect:
		c.suspect = err.Error()
	case err.Error() != c.told:
		c.told = err.Error()
		c.log.Error("the files of TLS cannot be used; the former certificate stays in use", "err", err)
	}
}
