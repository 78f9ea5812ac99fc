package app

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/zarafa/presence/app/image"
	"github.com/zarafa/presence/domain"
)

// TestSessionCounts tells a session random things, and compares what it counts with what it keeps, and that with the limit.
func TestSessionCounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const most = 5000
		limits := Limits{Users: rapid.IntRange(0, 6).Draw(t, "users"), Devices: 3, SourceBytes: most}
		core := Core{Image: image.New(), Limits: NewCurrentLimits(limits)}
		core.UserLimit = NewUserLimit(core.Image, core.Limits, slog.New(slog.DiscardHandler))
		s := newSession(domain.Source{Protocol: domain.MustProtocol("xmpp")}, core)
		s.restart()
		user := rapid.Custom(func(t *rapid.T) domain.UserID {
			return domain.UserID(fmt.Sprintf("u%d@example.test", rapid.IntRange(0, 9).Draw(t, "number")))
		})
		device := rapid.SampledFrom([]string{"a", "bb", "ccc", "dddd", "eeeee"})
		t.Repeat(map[string]func(*rapid.T){
			"known":  func(t *rapid.T) { s.known(user.Draw(t, "user")) },
			"forget": func(t *rapid.T) { s.forget(user.Draw(t, "user")) },
			"leave": func(t *rapid.T) {
				s.report(domain.Report{User: user.Draw(t, "user"), Device: rapid.OneOf(rapid.Just(""), device).Draw(t, "device")})
			},
			"report": func(t *rapid.T) {
				message := strings.Repeat("x", rapid.IntRange(0, domain.MaxMessage+10).Draw(t, "length"))
				s.report(domain.Report{User: user.Draw(t, "user"), Device: device.Draw(t, "device"), Status: domain.Busy, Message: message})
			},
			"restart": func(*rapid.T) { s.restart() },
			"write":   func(*rapid.T) { s.written(s.takeDirty()) },
			"fail":    func(*rapid.T) { s.markAgain(s.takeDirty()) },
			"sync":    func(*rapid.T) { s.sync() },
			"":        func(t *rapid.T) { checkCounts(t, s) },
		})
	})
}

func checkCounts(t *rapid.T, s *session) {
	used, reported, unconfirmed := int64(0), 0, 0
	for id, user := range s.users {
		devices, bytes := user.devices.Size()
		least := userOverhead + len(id) + devices*deviceOverhead + bytes
		if int(user.bytes) < least || user.current && int(user.bytes) != least {
			t.Fatalf("%s takes %d bytes, %d are counted", id, least, user.bytes)
		}
		if devices > s.limits.Get().Devices || !user.current && devices > 0 {
			t.Fatalf("%s has %d devices", id, devices)
		}
		used += int64(user.bytes)
		if user.current {
			reported++
		}
		if user.left {
			unconfirmed++
		}
	}
	if used != s.used || reported != s.reported || used > s.limits.Get().SourceBytes {
		t.Fatalf("counted are %d bytes, %d users; there are %d, %d", s.used, s.reported, used, reported)
	}
	if unconfirmed != s.unconfirmed {
		t.Fatalf("%d users are to be confirmed, %d are counted", unconfirmed, s.unconfirmed)
	}
	if waiting, most := int64(len(s.unwritten)), s.places.most(); waiting > most || waiting != s.places.coming.Load() {
		t.Fatalf("%d users are not in the image yet, %d places are taken, and there may be %d", waiting, s.places.coming.Load(), most)
	}
	for _, some := range []map[domain.UserID]struct{}{s.dirty, s.unwritten} {
		for id := range some {
			if _, there := s.users[id]; !there {
				t.Fatalf("%s is to be written, and not there", id)
			}
		}
	}
}
