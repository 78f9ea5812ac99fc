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

// certain is how many looks in a row must find the same fault before the log is told: somebody may be writing, and the certificate and its key cannot
// be replaced in one step.
const certain = 3

// ErrTurned is why TLS stays as it is.
var ErrTurned = errors.New("http.tls_cert_file: TLS is turned on or off at the next start")

// Current is the configuration of TLS that the files ask for. Its methods may be called concurrently.
type Current struct {
	log    *slog.Logger
	config atomic.Pointer[tls.Config]

	mu    sync.Mutex
	files Files
	text  content // that is in use
	fault string  // what was wrong at the last look
	looks int     // that found it
}

// Read reads the files of a listener with TLS.
func Read(files Files, log *slog.Logger) (*Current, error) {
	c := &Current{log: log}
	apply, err := c.Prepare(files)
	if err == nil {
		apply()
	}
	return c, err
}

// Config returns the configuration for the next connection. The others keep theirs.
func (c *Current) Config() *tls.Config { return c.config.Load() }

// Prepare reads the files, which may be other ones. What it returns puts them into use. The error says what is wrong with them.
func (c *Current) Prepare(files Files) (apply func(), err error) {
	if !files.On() {
		return nil, ErrTurned
	}
	text, err := files.read()
	if err != nil {
		return nil, err
	}
	config, err := files.parse(text)
	if err != nil {
		return nil, err
	}
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if changed := c.files != files || c.text != text; changed {
			c.use(files, text, config)
		}
	}, nil
}

func (c *Current) use(files Files, text content, config *tls.Config) {
	c.files, c.text, c.fault = files, text, ""
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

// look takes what has changed. If something is wrong for a while, the log says so, once.
func (c *Current) look() {
	c.mu.Lock()
	defer c.mu.Unlock()
	text, err := c.files.read()
	if err == nil && text == c.text {
		c.fault = ""
		return
	}
	var config *tls.Config
	if err == nil {
		config, err = c.files.parse(text)
	}
	if err == nil {
		c.use(c.files, text, config)
		return
	}
	if err.Error() != c.fault {
		c.fault, c.looks = err.Error(), 0
	}
	if c.looks++; c.looks == certain {
		c.log.Error("the files of TLS cannot be used; the former certificate stays in use", "err", err)
	}
}
