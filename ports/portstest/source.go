package portstest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// SourceStage is what the suite needs of a protocol: a server that it drives, which should be a real one, and sources that watch it.
// What a function starts ends with the test at the latest.
type SourceStage struct {
	Source      func(t testing.TB) ports.Source // watches the server
	Refused     func(t testing.TB) ports.Source // its server rejects the credentials
	Unreachable func(t testing.TB) ports.Source // nobody listens where it connects
	Silent      func(t testing.TB) ports.Source // its server accepts the connection and never says anything; it may be a fake
	Secrets     []string                        // what no error may contain: the passwords of these sources

	// Users are two users of the server who have no device online yet. If the protocol keeps the case of a name, the server has
	// capital letters in it.
	Users    [2]domain.UserID
	Devices  []string        // names that Show and Leave give to the devices of a user; a single one if there cannot be more
	Statuses []domain.Status // what a device can show, without unavailable
	Messages bool            // whether a device can show a message

	Show    func(t testing.TB, user domain.UserID, device string, status domain.Status, message string) // the device comes, or changes
	Leave   func(t testing.TB, user domain.UserID, device string)                                       // the device goes
	Hang    func(t testing.TB)                                                                          // from now on, until the test ends, the server says nothing; connections stay
	Cut     func(t testing.TB)                                                                          // ends all connections, also those of the users' devices
	Restart func(t testing.TB)                                                                          // makes the server serve again after Cut
}

// What ports.Source promises.
const (
	stopWithin    = time.Second      // from the end of Run's context
	closedWithin  = 2 * time.Second  // from the end of the connection
	silenceWithin = 30 * time.Second // from the last that the server said
)

// quiet is how long the suite watches for what must not happen.
const quiet = 200 * time.Millisecond

// Source checks everything that ports.Source promises. It calls create once for each sentence of the contract.
func Source(t *testing.T, create func(t testing.TB) SourceStage) {
	run(t, sourceContract, create)
}

var sourceContract = []contract[SourceStage]{
	{"a source names its protocol and says how long its presences are kept", func(t testing.TB, s SourceStage) {
		source := s.Source(t)
		described := source.Describe()
		if _, err := domain.ParseProtocol(described.Protocol.String()); err != nil {
			t.Error(err)
		}
		if described.StaleAfter < 0 {
			t.Errorf("StaleAfter = %v", described.StaleAfter)
		}
		if again := source.Describe(); again != described {
			t.Errorf("Describe = %+v, and then %+v", described, again)
		}
	}},
	{"Run says Connected first and Synced later, each once, and ends with its context", func(t testing.TB, s SourceStage) {
		p := playSynced(t, s)
		p.stop(t)
		p.awaitThat(t, func() (bool, string) {
			return p.calls["Connected"] == 1 && p.calls["Synced"] == 1, fmt.Sprint("the calls are ", p.calls)
		})
	}},
	{"everybody who is online is reported before Synced", func(t testing.TB, s SourceStage) {
		first := play(t.Context(), t, s, s.Source(t)) // tells when the server has taken note of the users
		for _, user := range s.Users {
			first.show(t, user, s.Statuses[0], "")
		}
		first.stop(t)
		p := playSynced(t, s)
		p.stop(t)
		for _, user := range s.Users {
			p.awaitThat(t, func() (bool, string) {
				return p.early[user], fmt.Sprintf("%s is online, and was not reported before Synced", user)
			})
		}
	}},
	{"what a device shows is reported, status and message, each time it changes", func(t testing.TB, s SourceStage) {
		p := playSynced(t, s)
		for _, user := range s.Users {
			for _, status := range s.Statuses {
				message := ""
				if s.Messages {
					message = "it is " + status.String() + ", ünïcødé ☕ & <more>"
				}
				p.show(t, user, status, message)
			}
		}
		p.stop(t)
	}},
	{"a device keeps its name, so that what it shows replaces what it showed before", func(t testing.TB, s SourceStage) {
		p := play(t.Context(), t, s, s.Source(t))
		p.show(t, s.Users[0], slices.Max(s.Statuses), "")
		p.show(t, s.Users[0], slices.Min(s.Statuses), "") // if the first report counted on, it would win
		p.stop(t)
	}},
	{"each device of a user counts for itself", func(t testing.TB, s SourceStage) {
		if len(s.Devices) < 2 {
			return // a user cannot have two
		}
		p := play(t.Context(), t, s, s.Source(t))
		s.Show(t, s.Users[0], s.Devices[1], slices.Min(s.Statuses), "")
		p.await(t, s.Users[0], slices.Min(s.Statuses), "")
		p.show(t, s.Users[0], slices.Max(s.Statuses), "")
		s.Leave(t, s.Users[0], s.Devices[0])
		p.await(t, s.Users[0], slices.Min(s.Statuses), "")
		p.stop(t)
	}},
	{"a device that leaves is unavailable", func(t testing.TB, s SourceStage) {
		p := playSynced(t, s)
		p.show(t, s.Users[0], s.Statuses[0], "")
		s.Leave(t, s.Users[0], s.Devices[0])
		p.await(t, s.Users[0], domain.Unavailable, "")
		p.stop(t)
	}},
	{"a connection that the server closes ends Run within 2 s, and the next Run finds who is there then", func(t testing.TB, s SourceStage) {
		source := s.Source(t)
		for _, user := range s.Users {
			s.Show(t, user, s.Devices[0], s.Statuses[0], "")
		}
		p := play(t.Context(), t, s, source)
		for _, user := range s.Users {
			p.await(t, user, s.Statuses[0], "")
		}
		s.Cut(t)
		p.lost(t, closedWithin)
		s.Restart(t)
		s.Show(t, s.Users[0], s.Devices[0], s.Statuses[0], "")
		again := play(t.Context(), t, s, source)
		again.await(t, s.Users[0], s.Statuses[0], "")
		again.awaitSynced(t)
		again.await(t, s.Users[1], domain.Unavailable, "")
		again.stop(t)
	}},
	{"a server that has fallen silent ends Run within 30 s", func(t testing.TB, s SourceStage) {
		p := playSynced(t, s)
		s.Hang(t)
		p.lost(t, silenceWithin)
	}},
	{"a refusal is ErrRejected, and no connection", func(t testing.TB, s SourceStage) {
		p := play(t.Context(), t, s, s.Refused(t))
		if err := p.ended(t, silenceWithin); !errors.Is(err, ports.ErrRejected) {
			t.Errorf("Run = %v, want ErrRejected", err)
		}
		p.notConnected(t)
	}},
	{"a server that is not there is an error, and no refusal", func(t testing.TB, s SourceStage) {
		p := play(t.Context(), t, s, s.Unreachable(t))
		p.lost(t, silenceWithin)
		p.notConnected(t)
	}},
	{"Run ends within a second of its context if the server never says anything", func(t testing.TB, s SourceStage) {
		p := play(t.Context(), t, s, s.Silent(t))
		time.Sleep(quiet) // the source may connect
		p.stop(t)
		p.notConnected(t)
	}},
	{"Run ends within a second of its context if the server hangs after the login", func(t testing.TB, s SourceStage) {
		p := playSynced(t, s)
		s.Hang(t)
		p.stop(t)
	}},
	{"Run does nothing if its context has ended before", func(t testing.TB, s SourceStage) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		p := play(ctx, t, s, s.Source(t))
		p.stop(t)
		p.notConnected(t)
	}},
	{"the observer is not called any more when Run has returned", func(t testing.TB, s SourceStage) {
		p := play(t.Context(), t, s, s.Source(t))
		p.show(t, s.Users[0], s.Statuses[0], "")
		p.stop(t)
		s.Leave(t, s.Users[0], s.Devices[0]) // there would be something to tell
		time.Sleep(quiet)                    // what is told is a failure
	}},
}
