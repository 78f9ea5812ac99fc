package image_test

import (
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/zarafa/presence/app/image"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

var (
	web    = domain.MustProtocol("spreed")
	chat   = domain.MustProtocol("xmpp")
	byHand = domain.MustProtocol("manual")
	policy = domain.ExpiryPolicy{After: time.Minute}
)

const moment domain.Timestamp = 1_700_000_000_000_000_000

func numbered(i int) domain.UserID { return domain.UserID(fmt.Sprintf("user%d@example.test", i)) }

func deviceOf(t testing.TB, name string) domain.DeviceID {
	t.Helper()
	device, err := domain.ParseDeviceID(name)
	if err != nil {
		t.Fatal(err)
	}
	return device
}

// journal is entries, and an image of them.
type journal struct {
	*image.Image
	entries [][]byte
}

func newJournal() *journal { return &journal{Image: image.New()} }

// write appends groups of writes as one entry, and returns which of them took effect.
func (j *journal) write(t testing.TB, groups ...[]image.Write) []bool {
	t.Helper()
	entry := image.AppendHeader(nil, image.Header{Origin: 7, Number: uint64(len(j.entries) + 1)})
	for _, writes := range groups {
		entry = image.AppendGroup(entry, writes)
	}
	j.entries = append(j.entries, entry)
	header, applied, err := j.Apply(uint64(len(j.entries)), entry)
	if err != nil || header.Origin != 7 || header.Number != uint64(len(j.entries)) {
		t.Fatalf("Apply = %+v, %v", header, err)
	}
	return slices.Clone(applied)
}

// set writes what one device says over whatever is there.
func (j *journal) set(t testing.TB, user domain.UserID, protocol domain.Protocol, device string, status domain.Status, message string, now domain.Timestamp) domain.Presence {
	t.Helper()
	id := deviceOf(t, device)
	old, _ := j.Presences(user).Of(protocol, id)
	if applied := j.write(t, []image.Write{{User: user, Old: old, New: old.Observe(domain.Shown{Status: status, Message: message}, policy, now)}}); !applied[0] {
		t.Fatalf("the write of %s was refused", user)
	}
	p, _ := j.Presences(user).Of(protocol, id)
	return p
}

func (j *journal) remove(t testing.TB, user domain.UserID, p domain.Presence, now domain.Timestamp) {
	t.Helper()
	j.write(t, []image.Write{{User: user, Old: p, New: p.Remove(now)}})
}

// hide makes a user invisible.
func (j *journal) hide(t testing.TB, user domain.UserID, now, until domain.Timestamp) {
	t.Helper()
	old, _ := j.Presences(user).On(byHand)
	next := old.Observe(domain.Shown{Status: domain.Busy}, domain.ExpiryPolicy{Vanishes: true}, now).HoldUntil(until)
	next.Invisible = true
	if applied := j.write(t, []image.Write{{User: user, Old: old, New: next}}); !applied[0] {
		t.Fatal("the write was refused")
	}
}

// snapshot renders the image in pieces of about the given size.
func (j *journal) snapshot(t testing.TB, size int) (at uint64, pieces [][]byte) {
	t.Helper()
	s := j.Collect()
	for {
		piece, err := s.Next(size)
		if errors.Is(err, io.EOF) {
			return s.At(), pieces
		}
		if err != nil {
			t.Fatal(err)
		}
		pieces = append(pieces, slices.Clone(piece))
	}
}

// load makes an image of a snapshot and the entries after it.
func load(t testing.TB, at uint64, pieces, entries [][]byte) *image.Image {
	t.Helper()
	img := image.New()
	for _, piece := range pieces {
		if err := img.Load(at, piece); err != nil {
			t.Fatal(err)
		}
	}
	if err := img.Loaded(); err != nil {
		t.Fatal(err)
	}
	for i, entry := range entries {
		if _, _, err := img.Apply(at+uint64(i)+1, entry); err != nil {
			t.Fatal(err)
		}
	}
	return img
}

// everything renders all that an image has.
func everything(img *image.Image) string {
	var lines []string
	img.Each(func(user domain.UserID, ps domain.Presences) bool {
		lines = append(lines, fmt.Sprintf("%s %+v", user, ps))
		return true
	})
	_, forgotten := img.Kept("nobody@example.test")
	removals, err := img.Removals(max(forgotten, 1))
	for _, change := range removals {
		lines = append(lines, fmt.Sprintf("removed %s %+v", change.User, change.Presence))
	}
	for i := range 10 {
		kept, _ := img.Kept(numbered(i))
		lines = append(lines, fmt.Sprintf("%s %+v, mask %+v", numbered(i), kept.Revisions(), kept.Mask))
	}
	slices.Sort(lines)
	return fmt.Sprintf("at %d revision %d forgotten %d %v invisible %t\n%s", img.At(), img.Revision(), forgotten, err, img.AnyInvisible(), strings.Join(lines, "\n"))
}

// TestImagesAreEqual: whatever happened, an image that was loaded from a snapshot of any moment and the entries since is the same.
func TestImagesAreEqual(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		j := newJournal()
		var at uint64
		var pieces [][]byte
		first := newJournal()
		at, pieces = first.snapshot(t, 100)
		now := moment
		for step := range rapid.IntRange(0, 60).Draw(rt, "steps") {
			now += domain.Timestamp(rapid.IntRange(0, 100).Draw(rt, "seconds")) * domain.Timestamp(time.Second)
			user := numbered(rapid.IntRange(0, 5).Draw(rt, "user"))
			protocol := rapid.SampledFrom([]domain.Protocol{web, chat}).Draw(rt, "protocol")
			device := rapid.SampledFrom([]string{"", "desk", "laptop"}).Draw(rt, "device")
			switch rapid.IntRange(0, 7).Draw(rt, "what") {
			case 6:
				j.hide(t, user, now, now.Add(time.Duration(rapid.IntRange(1, 300).Draw(rt, "invisible for"))*time.Second))
			case 7:
				p, _ := j.Presences(user).On(byHand)
				j.remove(t, user, p, now)
			case 0:
				p, _ := j.Presences(user).Of(protocol, deviceOf(t, device))
				j.remove(t, user, p, now)
			case 1:
				at, pieces = j.snapshot(t, rapid.IntRange(1, 2000).Draw(rt, "size"))
			case 2: // two groups; the second expects what was there before the first
				old, _ := j.Presences(user).Of(protocol, domain.DeviceID{})
				next := old.Observe(domain.Shown{Status: domain.Busy, Message: fmt.Sprint(step)}, policy, now)
				applied := j.write(t, []image.Write{{User: user, Old: old, New: next}}, []image.Write{{User: user, Old: old, New: next}})
				if !applied[0] || applied[1] {
					rt.Fatalf("applied = %v", applied)
				}
			default:
				j.set(t, user, protocol, device, domain.Status(rapid.IntRange(0, 3).Draw(rt, "status")), rapid.SampledFrom([]string{"", "x", "☕"}).Draw(rt, "message"), now)
			}
		}
		if got, want := everything(load(t, at, pieces, j.entries[at:])), everything(j.Image); got != want {
			rt.Fatalf("loaded it is\n%s\nwant\n%s", got, want)
		}
	})
}

// TestOnlySoManyRemovalsAreRemembered: who goes on from before what was forgotten has to begin anew; anybody else misses nothing. A loaded
// image forgets the same.
func TestOnlySoManyRemovalsAreRemembered(t *testing.T) {
	const users, together = 101_000, 1000 // a thousand more than are remembered
	j := newJournal()
	var at uint64
	var pieces [][]byte
	const staying = 5 // users with another presence
	for i := range staying {
		j.set(t, numbered(i), web, "", domain.Busy, "stays", moment)
	}
	for first := 0; first < users; first += together {
		var come, leave []image.Write
		none := domain.Presence{Protocol: chat}
		for i := first; i < first+together; i++ {
			come = append(come, image.Write{User: numbered(i), Old: none, New: none.Observe(domain.Shown{Status: domain.Busy}, policy, 1)})
		}
		j.write(t, come)
		for i := first; i < first+together; i++ {
			p, _ := j.Presences(numbered(i)).On(chat)
			leave = append(leave, image.Write{User: numbered(i), Old: p, New: p.Remove(2)})
		}
		j.write(t, leave)
		if first == users/2/together*together {
			at, pieces = j.snapshot(t, 1<<16)
		}
	}
	if loaded := load(t, at, pieces, j.entries[at:]); everything(loaded) != everything(j.Image) {
		t.Error("the loaded image has forgotten something else")
	}
	at, pieces = j.snapshot(t, 1<<16)
	if loaded := load(t, at, pieces, nil); everything(loaded) != everything(j.Image) {
		t.Error("the image that is loaded at last has forgotten something else")
	}
	_, forgotten := j.Kept(numbered(0))
	for since, want := range map[domain.Revision]int{
		0:                       0, // whoever has seen nothing misses nothing
		staying + 2*users - 100: 100,
		staying + 2*users - 1:   1,
		staying + 2*users:       0,
	} {
		removals, err := j.Removals(since)
		slices.SortFunc(removals, func(a, b domain.Change) int { return cmp.Compare(a.Presence.Revision, b.Presence.Revision) })
		if err != nil || len(removals) != want || want > 0 && removals[0].Presence.Revision != since+1 {
			t.Errorf("after %d: %d removals, %v; want %d", since, len(removals), err, want)
		}
	}
	for _, since := range []domain.Revision{1, forgotten - 1} {
		if removals, err := j.Removals(since); !errors.Is(err, ports.ErrCompacted) {
			t.Errorf("after %d, which is before what is remembered: %d removals, %v; want ErrCompacted", since, len(removals), err)
		}
	}
	if removals, err := j.Removals(forgotten); err != nil || len(removals) == 0 {
		t.Errorf("after %d: %d removals, %v; want all that are remembered", forgotten, len(removals), err)
	}
}

// TestEveryMemberCounts: whatever makes two presences different either is a change, which moves the revision, or is a part of what a write
// expects. A new member of domain.Presence that is neither fails here.
func TestEveryMemberCounts(t *testing.T) {
	names := map[string]bool{"Protocol": true, "Device": true, "Revision": true} // the key, and what is given
	p := domain.Presence{Protocol: web}.Observe(domain.Shown{Status: domain.Available, Message: "here"}, policy, moment)
	p.Revision = 1
	kind := reflect.TypeFor[domain.Presence]()
	for i := range kind.NumField() {
		q := p
		switch field := reflect.ValueOf(&q).Elem().Field(i); field.Kind() {
		case reflect.Int64:
			field.SetInt(field.Int() + 1)
		case reflect.Uint8, reflect.Uint64:
			field.SetUint(field.Uint() + 1)
		case reflect.String:
			field.SetString(field.String() + "x")
		case reflect.Bool:
			field.SetBool(!field.Bool())
		}
		name := kind.Field(i).Name
		if expected := q.Updated != p.Updated || q.Expires != p.Expires; !names[name] && !expected && !p.Differs(q) {
			t.Errorf("a presence that differs in %s alone is taken for the same", name)
		}
	}
}

// TestMembersOfLaterVersionsArePassedOver: a record may be longer than this version knows.
func TestMembersOfLaterVersionsArePassedOver(t *testing.T) {
	j := newJournal()
	want := j.set(t, numbered(1), web, "desk", domain.Busy, "hello", moment)
	entry := slices.Clone(j.entries[0])
	header := len(image.AppendHeader(nil, image.Header{Origin: 7, Number: 1}))
	record := header + 1 // behind the number of records
	want.Activity, want.IdleSince = domain.OnThePhone, 1
	entry = append(entry, byte(domain.OnThePhone), 1, 0, 0, 0, 0, 0, 0, 0, 2, 3)
	entry[record] += 11
	img := image.New()
	if _, applied, err := img.Apply(1, entry); err != nil || !applied[0] {
		t.Fatalf("Apply = %v, %v", applied, err)
	}
	if p, _ := img.Presences(numbered(1)).Of(web, deviceOf(t, "desk")); p != want {
		t.Errorf("there is %+v, want %+v", p, want)
	}
}

// TestSnapshotOfAnEarlierVersion: it says less of a user, so what it does not say is what others see, too.
func TestSnapshotOfAnEarlierVersion(t *testing.T) {
	text, err := os.ReadFile("testdata/snapshot-before-masks.hex")
	if err != nil {
		t.Fatal(err)
	}
	piece, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	img := load(t, 10, [][]byte{piece}, nil)
	for user, want := range map[int]domain.Revisions{
		1: {Status: 2, All: 3, Invisible: 3},
		2: {Status: 9, All: 9, Invisible: 9}, // has no presence any more
		3: {Status: 10, All: 10, Invisible: 10},
		4: {},
	} {
		if kept, _ := img.Kept(numbered(user)); kept.Revisions() != want {
			t.Errorf("%s: %+v, want %+v", numbered(user), kept.Revisions(), want)
		}
	}
	if p, _ := img.Presences(numbered(1)).On(chat); p.Message != "lunch" || p.Status != domain.Away || img.Revision() != 10 {
		t.Errorf("%+v at %d", p, img.Revision())
	}
}

// TestLaterFormatsAreRefused: by a sentence that says so.
func TestLaterFormatsAreRefused(t *testing.T) {
	j := newJournal()
	j.set(t, numbered(1), web, "", domain.Busy, "hello", moment)
	_, pieces := j.snapshot(t, 1000)
	entry, piece := slices.Clone(j.entries[0]), slices.Clone(pieces[0])
	entry[0]++
	piece[0]++
	img := image.New()
	_, _, err := img.Apply(1, entry)
	for _, err := range []error{err, img.Load(1, piece)} {
		if err == nil || !strings.Contains(err.Error(), "another version") {
			t.Errorf("err = %v, want one that speaks of another version", err)
		}
	}
}

// TestDamageChangesNothing: an entry that is cut or has a wrong byte in its structure is refused as a whole.
func TestDamageChangesNothing(t *testing.T) {
	j := newJournal()
	j.write(t, []image.Write{{User: numbered(1), Old: domain.Presence{Protocol: web}, New: domain.Presence{Protocol: web}.Observe(domain.Shown{Status: domain.Busy, Message: "x"}, policy, moment)}},
		[]image.Write{{User: numbered(2), Old: domain.Presence{Protocol: web}, New: domain.Presence{Protocol: web}.Observe(domain.Shown{Status: domain.Busy, Message: "x"}, policy, moment)}})
	header := len(image.AppendHeader(nil, image.Header{Origin: 7, Number: 1}))
	group := (len(j.entries[0]) - header) / 2
	for length := range j.entries[0] {
		img := image.New()
		_, _, err := img.Apply(1, j.entries[0][:length])
		whole := length == header || length == header+group
		if (err == nil) != whole || err != nil && img.Users() != 0 {
			t.Errorf("of %d bytes: %v, %d users", length, err, img.Users())
		}
	}
}

// TestASnapshotThatLacksAPieceIsRefused: it says how many users it should have.
func TestASnapshotThatLacksAPieceIsRefused(t *testing.T) {
	j := newJournal()
	for i := range 100 {
		j.set(t, numbered(i), web, "", domain.Busy, "hello", moment)
	}
	at, pieces := j.snapshot(t, 1000)
	img := image.New()
	for _, piece := range pieces[:len(pieces)-1] {
		if err := img.Load(at, piece); err != nil {
			t.Fatal(err)
		}
	}
	if err := img.Loaded(); err == nil || !strings.Contains(err.Error(), "should have 100") {
		t.Errorf("Loaded = %v", err)
	}
}

// FuzzApply: no entry makes an image panic, and a damaged one changes nothing.
func FuzzApply(f *testing.F) {
	j := newJournal()
	j.set(f, numbered(1), web, "desk", domain.Busy, "hello", moment)
	j.remove(f, numbered(1), j.set(f, numbered(1), chat, "", domain.Away, "", moment), moment)
	for _, entry := range j.entries {
		f.Add(entry)
	}
	f.Fuzz(func(t *testing.T, entry []byte) {
		img := image.New()
		if _, _, err := img.Apply(1, entry); err != nil && (img.Users() != 0 || img.Revision() != 0) {
			t.Errorf("%v, but the image has changed", err)
		}
	})
}

// FuzzLoad: no piece makes an image panic, and what was loaded can be rendered and loaded again.
func FuzzLoad(f *testing.F) {
	j := newJournal()
	j.set(f, numbered(1), web, "desk", domain.Busy, "hello", moment)
	j.remove(f, numbered(2), j.set(f, numbered(2), chat, "", domain.Away, "", moment), moment)
	j.hide(f, numbered(1), moment, moment+1)
	j.hide(f, numbered(3), moment, moment+1)
	p, _ := j.Presences(numbered(3)).On(byHand)
	j.remove(f, numbered(3), p, moment+1)
	_, pieces := j.snapshot(f, 1000)
	for _, piece := range pieces {
		f.Add(piece)
	}
	f.Fuzz(func(t *testing.T, piece []byte) {
		first := &journal{Image: image.New()}
		if first.Load(1, piece) != nil || first.Loaded() != nil {
			return
		}
		at, pieces := first.snapshot(t, 1000)
		if got, want := everything(load(t, at, pieces, nil)), everything(first.Image); got != want {
			t.Errorf("loaded again it is\n%s\nwant\n%s", got, want)
		}
	})
}
