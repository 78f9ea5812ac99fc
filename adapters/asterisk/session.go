package asterisk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/zarafa/presence/ports"
)

var (
	errSilent      = errors.New("it has fallen silent: it does not answer")
	errEndlessList = errors.New("a list has no end")
)

// session is one connection from the login on.
type session struct {
	*client
	source     *Source
	observer   ports.Observer
	extensions *extensions

	hasBooted   bool
	isConnected bool // the observer was told so; before that no state counts
	isEnding    bool // Asterisk has said that it shuts down

	relist   *time.Timer
	relistAt time.Time // when that fires
	listedAt time.Time // when the last list was complete

	events         int  // how many events about states there were
	reloaded       bool // since the last list
	warnedOfLoss   bool // that no events come
	warnedOfNote   bool // that somebody has a note that can forge events
	warnedOfStates bool // that there are no presence states
}

func newSession(source *Source, c *client, observer ports.Observer) *session {
	return &session{client: c, source: source, observer: observer,
		extensions: newExtensions(source.config, source.identities, observer), relist: time.NewTimer(source.config.RelistEvery)}
}

// watch lists everything, and tells observer what changes, until the connection is lost or ctx ends. It returns why, never nil.
func (s *session) watch(ctx context.Context) error {
	ping := time.NewTicker(s.source.limits.ping)
	defer ping.Stop()
	changed := s.source.identities.Changed()
	if err := s.lists(ctx); err != nil {
		return err
	}
	s.warnOfNobody()
	s.observer.Synced()
	for {
		var err error
		select {
		case p, open := <-s.packets:
			if !open {
				return s.lost
			}
			s.event(&p)
		case <-s.relist.C:
			err = s.lists(ctx)
		case <-ping.C:
			_, err = s.answer(ctx, "Ping") // whatever that says
		case <-changed:
			changed = s.source.identities.Changed()
			s.extensions.dropRenamed()
			s.listWithin(0)
		case <-ctx.Done():
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
	}
}

// answer sends an action and returns the response. What comes before that is handled.
func (s *session) answer(ctx context.Context, action string, pairs ...string) (packet, error) {
	id, err := s.send(ctx, s.source.limits.answer, action, pairs...)
	if err != nil {
		return packet{}, s.reason(err)
	}
	return s.await(ctx, id)
}

// await handles what comes until something has the ActionID.
func (s *session) await(ctx context.Context, id string) (packet, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, s.source.limits.answer, errSilent)
	defer cancel()
	for {
		p, err := s.receive(ctx)
		if err != nil || p.id == id {
			return p, err
		}
		s.event(&p)
	}
}

// call is answer for an action that must succeed.
func (s *session) call(ctx context.Context, action string, pairs ...string) (packet, error) {
	p, err := s.answer(ctx, action, pairs...)
	if err == nil {
		err = s.refusal(action, &p)
	}
	return p, err
}

// refusal is the error of an answer that does not say Success.
func (s *session) refusal(action string, p *packet) error {
	if p.response == "Success" {
		return nil
	}
	text := strings.ReplaceAll(p.message, s.source.config.Password.Reveal(), "***")
	return fmt.Errorf("it answers %s with %q", action, clip(text))
}

// reason prefers what the reader says of a connection on which nothing can be sent.
func (s *session) reason(err error) error {
	select {
	case _, open := <-s.packets:
		if !open {
			return s.lost
		}
	default:
	}
	return err
}

// lists lists all extensions and all presence states.
func (s *session) lists(ctx context.Context) error {
	s.schedule(time.Now().Add(s.source.config.RelistEvery))
	changes, afterReload := 0, s.reloaded || s.listedAt.IsZero()
	s.reloaded = false
	s.extensions.begin()
	if err := s.list(ctx, "ExtensionStateList", extensionStatus, extensionsListed, func(p *packet) {
		if changed, _ := s.extensions.status(p, true); changed {
			changes++
		}
	}); err != nil {
		return err
	}
	s.extensions.dropUnlisted()
	if err := s.list(ctx, "PresenceStateList", presenceChange, presencesListed, s.extensions.presence); err != nil {
		return err
	}
	s.extensions.resetUnlisted()
	s.listedAt = time.Now()
	if changes > 0 && s.events == 0 && !afterReload && !s.warnedOfLoss {
		s.warnedOfLoss = true
		s.source.log.Warn("Asterisk lists changes that it has not told: the account needs read=call", "changes", changes)
	}
	return nil
}

// list reads a list and gives each item to take.
func (s *session) list(ctx context.Context, action, item, end string, take func(*packet)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, s.source.limits.list, errEndlessList)
	defer cancel()
	id, err := s.send(ctx, s.source.limits.answer, action)
	if err != nil {
		return s.reason(err)
	}
	p, err := s.await(ctx, id)
	if err != nil {
		return err
	}
	isEmpty := p.response == "Error" && strings.HasPrefix(p.message, "No dialplan hints") // 22.11
	if end == presencesListed && strings.HasPrefix(p.message, "Invalid/unknown command") {
		s.warnOfNoStates()
		isEmpty = true
	}
	if err := s.refusal(action, &p); err != nil && !isEmpty {
		if strings.HasPrefix(p.message, "Permission denied") {
			err = fmt.Errorf("%w: the account needs write=reporting", err)
		}
		return err
	}
	s.connected()
	for items := 0; !isEmpty; {
		p, err := s.await(ctx, id)
		if err != nil {
			return err
		}
		switch p.event {
		case item:
			items++
			take(&p)
		case end:
			if n, err := strconv.Atoi(p.listItems); err != nil || n != items {
				return fmt.Errorf("it says that %s has %q items, and %d came", action, clip(p.listItems), items)
			}
			return nil
		}
	}
	return nil
}

// connected tells the observer that what is needed is granted.
func (s *session) connected() {
	if !s.isConnected {
		s.isConnected = true
		s.observer.Connected()
	}
}

// event handles what Asterisk says unasked.
func (s *session) event(p *packet) {
	limits := s.source.limits
	switch {
	case p.event == fullyBooted:
		s.hasBooted = true
	case p.event == shutdown:
		s.isEnding = true // only for the error: it can be forged, and the end of the connection follows
	case !s.isConnected || p.id != "":
	case p.event == reload:
		s.reloaded = true
		s.listWithin(limits.settle)
	case p.event == extensionStatus:
		s.events++
		if _, otherHint := s.extensions.status(p, false); otherHint {
			s.listWithin(max(limits.settle, time.Until(s.listedAt.Add(limits.doubt))))
		}
	case p.event == presenceChange:
		s.events++
		s.extensions.presence(p)
		s.checkNote(p)
	}
}

// checkNote lists everything again if a note has what ends an event. PresenceStatus has the note as it is, so what came behind it may be forged.
func (s *session) checkNote(p *packet) {
	if !strings.Contains(unescape(p.message), "\r\n\r\n") {
		return
	}
	s.listWithin(s.source.limits.settle)
	if !s.warnedOfNote {
		s.warnedOfNote = true
		s.source.log.Warn("a user's note can forge events, so everything is listed again: docs/asterisk.md has a filter", "presentity", clip(p.presentity))
	}
}

// listWithin sees to it that the next list comes before d has passed.
func (s *session) listWithin(d time.Duration) {
	if at := time.Now().Add(d); at.Before(s.relistAt) {
		s.schedule(at)
	}
}

func (s *session) schedule(at time.Time) {
	s.relistAt = at
	s.relist.Reset(time.Until(at))
}

// warnOfNobody says what is probably wrong if no user has an extension.
func (s *session) warnOfNobody() {
	if len(s.extensions.byName) == 0 {
		s.source.log.Warn("no hint of Asterisk is a user's: look at identities, and at asterisk.contexts", "contexts", s.source.config.Contexts)
	}
}

// warnOfNoStates says that Asterisk has no presence states. Hints do without.
func (s *session) warnOfNoStates() {
	if !s.warnedOfStates {
		s.warnedOfStates = true
		s.source.log.Warn("Asterisk cannot list presence states, so only telephones count: it has not loaded res_manager_presencestate")
	}
}

// explain says more about the end of a connection.
func (s *session) explain(err error) error {
	if errors.Is(err, io.EOF) && s.isEnding {
		return fmt.Errorf("it was shut down: %w", err)
	}
	return err
}
