package xmpp

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"time"

	xmpp "github.com/mattn/go-xmpp"
)

var errBlind = errors.New("the server does not send us all of its users' presence any more: was its privilege module reloaded?")

const (
	checkMark   = "privilege check " // begins the status text of a check
	echoesWith  = 2                  // copies of a check that arrive while the privilege works: one for our account, one by the privilege
	echoTimeout = 10 * time.Second   // for all copies to arrive
)

// witness is a second login of our account. It finds out whether the privilege to see all users of the server (XEP-0356) still works. Prosody
// takes the privilege away without a word when its module is reloaded, and then everything looks as if nobody changed any more.
//
// A check is a presence of the witness. The server sends it to the account's other logins as it does with everybody's, and by the privilege once
// more. If both copies have come before and only one comes now, the privilege is gone. It is a login of its own because nobody's privilege shows
// the own presence.
type witness struct{ *connection }

// newWitness logs in. The caller must call end. It ends at the latest when ctx does.
func (s *Source) newWitness(ctx context.Context) (*witness, error) {
	c, err := s.login(ctx, "") // the server chooses a resource, so that the witness takes nobody's place
	if err != nil {
		return nil, err
	}
	w := &witness{c}
	w.guard.enter(watching, maxStanza)
	w.running.Go(func() {
		defer w.cut(nil)
		for err := error(nil); err == nil; {
			err = w.next(func(any) error { return nil })
		}
	})
	return w, w.send(lowPriority)
}

// check sends a presence, and returns how many copies of it the session receives.
func (w *witness) check(ctx context.Context, echoes <-chan string) (copies int, err error) {
	mark := checkMark + rand.Text()
	if err := w.send(`<presence><status>` + mark + `</status><priority>-1</priority></presence>`); err != nil {
		return 0, err
	}
	timeout := time.NewTimer(echoTimeout)
	defer timeout.Stop()
	for copies < echoesWith {
		select {
		case echo := <-echoes:
			if echo == mark {
				copies++
			}
		case <-timeout.C:
			return copies, nil
		case <-w.done:
			return copies, errSilent
		case <-ctx.Done():
			return copies, ctx.Err()
		}
	}
	return copies, nil
}

// ownPresence takes a presence of our account's other logins.
func (s *session) ownPresence(p *xmpp.Presence) {
	if strings.HasPrefix(p.Status, checkMark) {
		select {
		case s.echoes <- p.Status:
		default:
		}
	}
}

// watchPrivilege checks until the link ends whether the privilege still works, if we have one, and cuts the link if it does not: the next login
// gets it back.
func (s *session) watchPrivilege(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s.running.Go(func() {
		<-s.done
		cancel()
	})
	select {
	case <-s.privileged:
	case <-ctx.Done():
		return
	}
	for works := false; ctx.Err() == nil; {
		works = s.watchWith(ctx, works)
		wait(ctx, s.source.limits.check)
	}
}

// watchWith checks with one witness, until it fails or the link is cut. It takes and returns whether the privilege has worked.
func (s *session) watchWith(ctx context.Context, works bool) bool {
	w, err := s.source.newWitness(ctx)
	if w != nil {
		defer w.end()
		defer context.AfterFunc(ctx, func() { w.cut(nil) })()
	}
	for err == nil {
		var copies int
		switch copies, err = w.check(ctx, s.echoes); {
		case err != nil:
		case copies >= echoesWith:
			works = true
		case copies > 0 && works:
			s.cut(errBlind)
			return works
		case copies == 0:
			err = errSilent
		}
		if err == nil {
			wait(ctx, s.source.limits.check)
			err = ctx.Err()
		}
	}
	s.source.log.Debug("cannot check the privilege, will try again", "err", err)
	return works
}

// wait waits for d, or for ctx to end.
func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
