package asterisk

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/asterisktest"
	"github.com/zarafa/presence/ports"
)

// recorded is a session with a real Asterisk: see testdata/recorded.
type recorded []recordedLine

type recordedLine struct {
	from string // << the server, >> the client, ## what was done to the server meanwhile
	text string
}

var (
	recordedForm = regexp.MustCompile(`^ *[0-9.]+ (<<|>>|##) (.*)$`)
	pythonEscape = regexp.MustCompile(`\\(x[0-9a-f]{2}|.)`)
)

func readRecorded(t testing.TB, name string) (session recorded) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata/recorded", name+".timed.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		parts := recordedForm.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
		if parts == nil {
			t.Fatalf("%s: what is %q?", name, line)
		}
		if parts[1] != "##" {
			parts[2] = pythonText(parts[2][2 : len(parts[2])-1])
		}
		session = append(session, recordedLine{parts[1], parts[2]})
	}
	return session
}

// pythonText reads what is between the quotes of a literal of bytes.
func pythonText(literal string) string {
	return pythonEscape.ReplaceAllStringFunc(literal, func(escaped string) string {
		switch escaped[1] {
		case 'x':
			n, _ := strconv.ParseUint(escaped[2:], 16, 8)
			return string([]byte{byte(n)})
		case 'r':
			return "\r"
		case 'n':
			return "\n"
		case 't':
			return "\t"
		}
		return escaped[1:]
	})
}

// said is all that the server said.
func (s recorded) said() string {
	var b strings.Builder
	for _, line := range s {
		if line.from == "<<" {
			b.WriteString(line.text)
		}
	}
	return b.String()
}

// varied has the keys of each packet in another order, and keys that another version may have. The first key says what it is, and stays the first.
func varied(text string) string {
	var b strings.Builder
	for packet := range strings.SplitAfterSeq(text, "\r\n\r\n") {
		head, rest, found := strings.Cut(strings.TrimSuffix(packet, "\r\n\r\n"), "\r\n")
		if !found || !strings.HasSuffix(packet, "\r\n\r\n") || rand.N(2) == 0 {
			b.WriteString(packet)
			continue
		}
		keys := append(strings.Split(rest, "\r\n"), "Uniqueid: 1795644025.7", "Linkedid:", "StatusText: Another", "ChanVariable: a=b", "ChanVariable: Status: 1")
		rand.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
		b.WriteString(head + "\r\n" + strings.Join(keys, "\r\n") + "\r\n\r\n")
	}
	return b.String()
}

// answer returns the recorded answer to an action, for a request of another ActionID.
func (s recorded) answer(t testing.TB, recordedID string) func(id string) string {
	t.Helper()
	var answer string
	for packet := range strings.SplitAfterSeq(s.said(), "\r\n\r\n") {
		if strings.Contains(packet, "\r\nActionID: "+recordedID+"\r\n") {
			answer += packet
		}
	}
	if answer == "" {
		t.Fatalf("there is no answer to %s", recordedID)
	}
	return func(id string) string {
		return varied(strings.ReplaceAll(answer, "\r\nActionID: "+recordedID+"\r\n", "\r\nActionID: "+id+"\r\n"))
	}
}

// step is what the server said after something was done to it.
type step struct{ done, said string }

func (s recorded) steps() (steps []step) {
	for _, line := range s {
		switch {
		case line.from == "##":
			steps = append(steps, step{done: line.text})
		case line.from == "<<" && len(steps) > 0:
			steps[len(steps)-1].said += line.text
		}
	}
	return steps
}

// recordedPeople has a user for each of the recorded extensions, and one for the barrier.
var recordedPeople = people{"4711@default": "alice@example.test", "4711@other": "other@example.test", "4712@default": "bob@example.test",
	"4713@default": "desk@example.test", "4715@default": "only@example.test", "4717@default": "neverset@example.test", "4718@default": "carol@example.test",
	"4719@default": "both@example.test", "4720@default": "new@example.test", "9999@default": "barrier@example.test"}

// replay is a fake that answers with recorded lists, and a source that watches it.
type replay struct {
	*asterisktest.Server
	*watched
	barriers int
}

// newReplay starts one with the lists of 01-perm-syscall: everybody is idle.
func newReplay(t testing.TB, change func(*Config), limit func(*limits)) *replay {
	t.Helper()
	r := &replay{Server: asterisktest.Start(t)}
	lists := readRecorded(t, "01-perm-syscall")
	r.Answer("ExtensionStateList", lists.answer(t, "ExtensionStateList"))
	r.Answer("PresenceStateList", lists.answer(t, "PresenceStateList"))
	source := newSource(t, r.Addr(), recordedPeople, func(c *Config) {
		c.Contexts = []string{"Default", "other"}
		if change != nil {
			change(c)
		}
	})
	source.limits.settle, source.limits.doubt = time.Hour, time.Hour // no list in between
	if limit != nil {
		limit(&source.limits)
	}
	r.watched = watch(t, source).synced(t)
	return r
}

// play says something and waits until it has been handled.
func (r *replay) play(t testing.TB, text string) {
	t.Helper()
	r.Say(varied(text))
	r.barriers++
	r.Say(asterisktest.StatusEvent(hint("9999", "default", "", 1-r.barriers%2)))
	r.want(t, "barrier@example.test", []string{"busy on-the-phone", "-"}[r.barriers%2])
}

const onThePhone = "busy on-the-phone"

// The recorded lists, in any pieces.
func TestRecordedLists(t *testing.T) {
	for range 20 {
		f := asterisktest.Start(t)
		lists := readRecorded(t, "02-lists")
		f.Answer("ExtensionStateList", lists.answer(t, "ExtensionStateList"))
		f.Answer("PresenceStateList", lists.answer(t, "PresenceStateList"))
		f.Change(func(s *asterisktest.State) {
			s.AfterLogin = "Event: FullyBooted\r\nPrivilege: system,all\r\nUptime: 506\r\nLastReload: 506\r\nStatus: Fully Booted\r\n\r\n"
		})
		w := watch(t, newSource(t, f.Addr(), recordedPeople, nil)).synced(t)
		for user, want := range map[domain.UserID]string{
			"alice@example.test": "-", "bob@example.test": "away", "only@example.test": "away", "neverset@example.test": onThePhone,
			"other@example.test": "unknown", // its context does not count
			"both@example.test":  "-", "new@example.test": "unknown",
		} {
			if got := w.shows(user); got != want {
				t.Errorf("%s is %q, want %q", user, got, want)
			}
		}
	}
}

// The challenge and the key of the recorded login are right for the recorded secret, so the fake's check is Asterisk's.
func TestRecordedLogin(t *testing.T) {
	f := asterisktest.Start(t, hint("4711", "default", "Custom:alice", 0))
	f.Answer("Challenge", readRecorded(t, "01-login-md5").answer(t, "c1"))
	watch(t, newSource(t, f.Addr(), recordedPeople, nil)).synced(t)
	if sent := readRecorded(t, "01-login-md5"); !strings.Contains(fmt.Sprint(sent), "Key: d55fc13c7cb9e050bd49a45576976d4d") {
		t.Error("the recorded key is another")
	}
}

// What a real Asterisk says of devices and of presence states, and what it means.
func TestRecordedPresence(t *testing.T) {
	long := strings.Repeat("A", 255) // Asterisk has cut it
	want := map[string]string{       // alice, after what was done
		"devstate RINGING": onThePhone, "devstate RINGINUSE": onThePhone, "devstate ONHOLD": onThePhone, "devstate BUSY": onThePhone,
		"devstate UNAVAILABLE": "-", "devstate NOT_INUSE": "-", "devstate UNKNOWN": "-",
		"presence dnd,away,a note (brief form)": "busy a note", "same again": "busy a note", "bob away": "busy a note",
		"utf8 message": "away Ünïcödé ☎ 🙂", "base64 by CLI": "away SGVsbG8sIHdvcmxk", "base64 by Setvar function (comma)": "away Hello, world",
		"base64 by Setvar with newline": "away line1\nline2", "base64 by Setvar with CRLF injection": "away x\r\n\r\nEvent: Shutdown\r\nShutdown: Faked",
		"latin1 bytes by Setvar base64": "away caf\uFFFD \uFFFD", "long 400 byte message base64 by Setvar": "away " + long,
		"state not_set": "-", "state unavailable": "-", "state available": "available", "state away": "away", "state xa": "away",
		"state chat": "available", "state dnd": "busy", "not_set while message": "-", "lists": "-",
	}
	r := newReplay(t, nil, nil)
	for _, s := range readRecorded(t, "03-live-presence").steps() {
		done := strings.TrimPrefix(s.done, "## ")
		r.play(t, s.said)
		if want, known := want[done]; known && r.shows("alice@example.test") != want {
			t.Errorf("after %s alice is %q, want %q", done, r.shows("alice@example.test"), want)
		}
		delete(want, done)
	}
	for done := range want {
		t.Errorf("%s was not played", done)
	}
	for user, want := range map[domain.UserID]string{"bob@example.test": "away", "only@example.test": "away", "other@example.test": "-"} {
		if got := r.shows(user); got != want {
			t.Errorf("%s is %q, want %q", user, got, want)
		}
	}
}

// Every escape that a real Asterisk has written is undone.
func TestRecordedEscapes(t *testing.T) {
	r := newReplay(t, nil, nil)
	var got []string
	for packet := range strings.SplitAfterSeq(readRecorded(t, "03-presence-escapes").said(), "\r\n\r\n") {
		r.play(t, packet)
		if now := r.shows("alice@example.test"); len(got) == 0 || got[len(got)-1] != now {
			got = append(got, now)
		}
	}
	want := []string{"-", "away It's \"quoted\"? C:\\dir\ttab, comma", "away plain It's ok?", "away l1\nl2", "-"}
	if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
		t.Errorf("alice was\n%q, want\n%q", got, want)
	}
}

// A call: carol's phone is busy while alice's rings, then both talk, then nobody does.
func TestRecordedCall(t *testing.T) {
	for ringing, want := range map[string]string{
		saysBusy:      "[- - -] [- busy on-the-phone busy on-the-phone] [busy on-the-phone busy on-the-phone busy on-the-phone] [- - -]",
		saysAvailable: "[- - -] [- busy on-the-phone busy on-the-phone] [available busy on-the-phone busy on-the-phone] [busy on-the-phone busy on-the-phone busy on-the-phone] [- - -]",
	} {
		r := newReplay(t, func(c *Config) { c.Ringing = ringing }, nil)
		r.play(t, asterisktest.StatusEvent(hint("4718", "default", "PJSIP/carol", 0))) // the lists are of before there was a carol
		r.play(t, asterisktest.StatusEvent(hint("4719", "default", "PJSIP/alice&PJSIP/carol", 0)))
		var got []string
		for _, line := range readRecorded(t, "04-pjsip-call") {
			if line.from != "<<" {
				continue
			}
			r.play(t, line.text)
			now := fmt.Sprint([]string{r.shows("alice@example.test"), r.shows("carol@example.test"), r.shows("both@example.test")})
			if len(got) == 0 || got[len(got)-1] != now {
				got = append(got, now)
			}
		}
		if text := strings.Join(got, " "); !sameButBetween(text, want) {
			t.Errorf("ringing %s: they were\n%s, want\n%s", ringing, text, want)
		}
	}
}

// sameButBetween compares, and allows that one of two phones is told first.
func sameButBetween(got, want string) bool {
	return strings.ReplaceAll(got, "[- busy on-the-phone -] ", "") == want
}

// Before it has booted Asterisk's lists are empty, and its events have no hints. Nothing is asked for and nothing is believed until then.
func TestRecordedBoot(t *testing.T) {
	session := readRecorded(t, "05-early-sys")
	early, _, found := strings.Cut(session.said(), "Event: FullyBooted")
	at := strings.Index(early, "Event: PeerStatus")
	if !found || at < 0 {
		t.Fatal("the recording is another")
	}
	f := asterisktest.Start(t)
	f.Change(func(s *asterisktest.State) { s.AfterLogin = early[at:] })
	f.Answer("ExtensionStateList", session.answer(t, "ExtensionStateList-0")) // empty
	w := watch(t, newSource(t, f.Addr(), recordedPeople, nil))
	w.eventually(t, func() error {
		if f.Count("Login") == 0 {
			return fmt.Errorf("there is no login")
		}
		return nil
	})
	time.Sleep(50 * time.Millisecond) // what must not happen
	if n := f.Count("ExtensionStateList"); n != 0 {
		t.Errorf("%d lists were asked for before Asterisk has booted", n)
	}
	f.Answer("ExtensionStateList", session.answer(t, "ExtensionStateList-1"))
	f.Answer("PresenceStateList", session.answer(t, "PresenceStateList-1"))
	f.Say("Event: FullyBooted\r\nPrivilege: system,all\r\nStatus: Fully Booted\r\nUptime: 0\r\nLastReload: 0\r\n\r\n")
	w.synced(t)
	for user, want := range map[domain.UserID]string{"alice@example.test": "away note", "bob@example.test": "away", "neverset@example.test": onThePhone, "carol@example.test": "-"} {
		if got := w.shows(user); got != want {
			t.Errorf("%s is %q, want %q", user, got, want)
		}
	}
	f.Say("Event: Shutdown\r\nPrivilege: system,all\r\nShutdown: Cleanly\r\nRestart: False\r\n\r\n")
	f.Kill()
	if err := w.lost(t, 2*time.Second); !strings.Contains(err.Error(), "it was shut down") {
		t.Errorf("Run = %v", err)
	}
}

// After a reload the lists are read again: extensions come, go and change their hints.
func TestRecordedReload(t *testing.T) {
	session := readRecorded(t, "05-reload")
	steps := map[string]string{}
	for _, s := range session.steps() {
		steps[s.done] += s.said
	}
	r := newReplay(t, nil, func(l *limits) { l.settle = time.Millisecond })
	r.play(t, steps["devstate change Custom:neverset INUSE (its hint is gone)"]+asterisktest.StatusEvent(hint("4713", "default", "PJSIP/alice", 1)))
	r.want(t, "desk@example.test", onThePhone)
	r.play(t, asterisktest.StatusEvent(hint("4712", "default", "Custom:bob,CustomPresence:bob", 1)))
	r.want(t, "bob@example.test", onThePhone)

	// Hints are removed, changed and added. Some events say so, with the old hints or none.
	r.Answer("ExtensionStateList", session.answer(t, "l2"))
	r.play(t, steps["remove hints 4717 and 4713, change 4712 from Custom:bob to Custom:alice, add 4720 and 4721 with presence"])
	if got := r.shows("desk@example.test"); got != onThePhone {
		t.Errorf("desk is %q, and nobody has told", got)
	}
	_, reloaded, _ := strings.Cut(steps["core reload"], "Event: Reload")
	r.Say("Event: Reload" + reloaded)
	r.want(t, "desk@example.test", "unknown")
	r.want(t, "neverset@example.test", "unknown")
	r.want(t, "bob@example.test", "-")
	r.want(t, "new@example.test", "-")
	r.want(t, "barrier@example.test", "unknown")

	// The dialplan is emptied: an empty list, or the error that means the same in 22.11.
	empty := session.answer(t, "l3")
	for _, answer := range []func(string) string{empty, func(id string) string {
		return "Response: Error\r\nActionID: " + id + "\r\nMessage: No dialplan hints are available\r\n\r\n"
	}} {
		r.Answer("ExtensionStateList", session.answer(t, "l2"))
		r.Say("Event: Reload" + reloaded)
		r.want(t, "alice@example.test", "-")
		r.Answer("ExtensionStateList", answer)
		r.Say("Event: Reload" + reloaded)
		r.want(t, "alice@example.test", "unknown")
	}
}

// An extension that a reload has added is told with an empty hint (22.10), and one that it has removed with the state -2 (22.11). The first asks for
// a new list, for its presence state is not known.
func TestReloadWithoutAnEvent(t *testing.T) {
	f := asterisktest.Start(t, hint("4711", "default", "Custom:alice", 1))
	f.SetPresence("new", "dnd", "please")
	w := watch(t, newSource(t, f.Addr(), recordedPeople, nil)).synced(t)
	added := hint("4720", "default", "Custom:new,CustomPresence:new", 0)
	f.Change(func(s *asterisktest.State) { s.Hints = append(s.Hints, added) })
	f.Say(asterisktest.StatusEvent(hint("4720", "default", "", 0)))
	w.want(t, "new@example.test", "busy please")
	f.Change(func(s *asterisktest.State) { s.Hints = s.Hints[1:] })
	f.Say(asterisktest.StatusEvent(hint("4711", "default", "", -2)))
	w.want(t, "alice@example.test", "unknown")
}

// A wrong password, as it was recorded.
func TestRecordedRefusal(t *testing.T) {
	f := asterisktest.Start(t)
	f.Answer("Login", readRecorded(t, "01-login-wrong-password").answer(t, "l1"))
	w := watch(t, newSource(t, f.Addr(), recordedPeople, nil))
	if err := w.lost(t, 5*time.Second); !errors.Is(err, ports.ErrRejected) || !strings.Contains(err.Error(), "Authentication failed") || strings.Contains(err.Error(), password) || w.count("Connected") != 0 {
		t.Errorf("Run = %v", err)
	}
}

// An account without the right to list is told what is missing. That is no refusal: the right may be added at any moment.
func TestRecordedPermissions(t *testing.T) {
	f := asterisktest.Start(t)
	f.Answer("ExtensionStateList", readRecorded(t, "01-perm-none").answer(t, "ExtensionStateList"))
	w := watch(t, newSource(t, f.Addr(), recordedPeople, nil))
	err := w.lost(t, 5*time.Second)
	if !strings.Contains(err.Error(), "the account needs write=reporting") || errors.Is(err, ports.ErrRejected) || w.count("Connected") != 0 {
		t.Errorf("Run = %v, the calls are %v", err, w.calls)
	}
}

// An Asterisk without the module of presence states has telephones all the same, and the log says what is missing, once.
func TestWithoutPresenceStates(t *testing.T) {
	f := asterisktest.Start(t, hint("4711", "default", "Custom:alice,CustomPresence:alice", 1))
	f.Answer("PresenceStateList", func(id string) string {
		return "Response: Error\r\nActionID: " + id + "\r\nMessage: Invalid/unknown command: PresenceStateList. Use Action: ListCommands to show available commands.\r\n\r\n"
	})
	source := newSource(t, f.Addr(), recordedPeople, func(c *Config) { c.RelistEvery = 10 * time.Millisecond })
	log := &logged{}
	source.log = log.logger()
	w := watch(t, source).synced(t)
	w.want(t, "alice@example.test", onThePhone)
	w.eventually(t, func() error {
		if n := f.Count("PresenceStateList"); n < 3 {
			return fmt.Errorf("it was listed %d times", n)
		}
		return nil
	})
	if text := fmt.Sprint(log); strings.Count(text, "res_manager_presencestate") != 1 {
		t.Errorf("the log is %s", text)
	}
}
