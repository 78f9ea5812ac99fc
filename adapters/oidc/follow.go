package oidc

import (
	"context"
	"math/rand/v2"
	"time"
)

const (
	refreshEvery = 5 * time.Minute // the keys are fetched again so often
	unknownPause = 3 * time.Second // between two fetches because of unknown keys, which anybody can name
	firstPause   = time.Second     // after a first failure; twice as long after each further one
	longestPause = 30 * time.Second
)

// Run keeps the provider's keys until ctx ends: it fetches them at once, then now and then, and when a token names a key that is not known. While the
// provider cannot be reached it tries again, and what is known stays.
func (v *Verifier) Run(ctx context.Context) {
	failures := 0
	for ctx.Err() == nil {
		now := v.current.Load()
		if now.cfg.Issuer == "" {
			failures = 0
			v.wait(ctx)
			continue
		}
		got, err := v.fetch(ctx, now.cfg)
		if ctx.Err() != nil {
			return
		}
		pause := refreshEvery
		if err != nil {
			pause = pauseAfter(failures)
			if failures == 0 {
				v.log.Warn("the OpenID provider cannot be used; it is tried again and again",
					"issuer", now.cfg.Issuer, "known_before", now.fetched != nil, "err", err)
			}
			failures++
		} else {
			if failures > 0 || now.fetched == nil {
				v.log.Info("the OpenID provider can be used", "issuer", now.cfg.Issuer, "keys", len(got.keys))
			}
			failures = 0
			v.take(now.cfg, got)
		}
		v.pause(ctx, now.cfg, pause, err == nil)
	}
}

// fetch asks the provider of a configuration.
func (v *Verifier) fetch(ctx context.Context, cfg Config) (*fetched, error) {
	began := v.clock.Now()
	got, err := fetch(ctx, v.client(ctx, cfg, v.resolver), cfg.Issuer)
	if got != nil {
		got.at = began
	}
	return got, err
}

// take puts what was fetched into effect, unless the configuration is about another provider by now.
func (v *Verifier) take(cfg Config, got *fetched) {
	v.mu.Lock()
	defer v.mu.Unlock()
	now := *v.current.Load()
	if sameProvider(now.cfg, cfg) {
		now.fetched = got
		v.current.Store(&now)
	}
}

func sameProvider(a, b Config) bool { return a.Issuer == b.Issuer && a.Roots.Equal(b.Roots) }

// pause waits until the next fetch is due: after a time, when another provider is configured, or, after a fetch that succeeded, when a token names an
// unknown key, but not before unknownPause is over.
func (v *Verifier) pause(ctx context.Context, cfg Config, after time.Duration, succeeded bool) {
	due := time.NewTimer(after)
	defer due.Stop()
	early := time.NewTimer(unknownPause)
	defer early.Stop()
	asked, over := false, false
	for {
		select {
		case <-ctx.Done():
			return
		case <-due.C:
			return
		case <-early.C:
			over = true
		case <-v.wake:
			now := v.current.Load()
			if !sameProvider(now.cfg, cfg) || succeeded && now.fetched == nil { // it was another one meanwhile, perhaps
				return
			}
			asked = succeeded
		}
		if asked && over {
			return
		}
	}
}

// wait returns when there may be another configuration.
func (v *Verifier) wait(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-v.wake:
	}
}

// pauseAfter is how long to wait after so many failures: half of it is random, so that daemons of a cluster do not come at once.
func pauseAfter(failures int) time.Duration {
	pause := min(firstPause<<min(failures, 10), longestPause)
	return pause/2 + rand.N(pause/2)
}
