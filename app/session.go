package app

import (
	"strings"
	"sync"
	"time"

	"github.com/zarafa/presence/app/image"
	"github.com/zarafa/presence/domain"
)

// session is what a source has told during its current Run, who of that is still to be written, and which users its earlier Runs have
// left in the image. All of it counts towards the limits, so that a server gains nothing by ending the connection again and again.
//
// The lock is held by whoever calls a method.
type session struct {
	mu     sync.Mutex
	source domain.Source
	image  *image.Image
	limits *CurrentLimits
	places *UserLimit

	users       map[domain.UserID]sessionUser
	reported    int                        // how many of users are current
	unconfirmed int                        // how many of users are left
	unwritten   map[domain.UserID]struct{} // users with a place among those who may be there, who are not in the image yet
	dirty       map[domain.UserID]struct{} // users to be written; one who is not in users is to be removed
	used        int64                      // bytes, at most limits.SourceBytes but for what was in the image before
	exceeded    bool                       // something was ignored during this Run
	synced      bool
	kept        bool      // whoever is stale was given a new deadline since the last Run that was in sync
	confirmBy   time.Time // when what an earlier process or another daemon has left, and nobody has confirmed, becomes stale; zero: it has
}

// sessionUser is what is known of one user. There may be millions, so it is small.
type sessionUser struct {
	devices domain.Devices // of the current Run
	bytes   uint32         // of the limit
	current bool           // the current Run has told of the user; else an earlier one has
	stale   bool           // the last of the devices fell silent, or what it shows is not current; until another is told of
	left    bool           // an earlier Run has left the user online, and no device was told of since
}

// keptDirty is for how many users a session keeps room when they are written.
const keptDirty = 8192

// newSession returns a session. It begins with restart.
func newSession(source domain.Source, core Core) *session {
	return &session{
		source:    source,
		image:     core.Image,
		limits:    core.Limits,
		places:    core.UserLimit,
		users:     make(map[domain.UserID]sessionUser),
		unwritten: make(map[domain.UserID]struct{}),
		dirty:     make(map[domain.UserID]struct{}),
	}
}

// restart begins a new Run: nobody was reported yet. Who was forgotten is still to be removed.
func (s *session) restart() {
	s.reported, s.unconfirmed, s.exceeded, s.synced = 0, 0, false, false
	for id, user := range s.users {
		delete(s.dirty, id)
		p, _ := s.stored(id)
		s.takeOver(id, user.bytes, p)
	}
	s.image.Each(func(id domain.UserID, presences domain.Presences) bool {
		_, found := s.users[id]
		_, forgotten := s.dirty[id]
		if p, stored := presences.On(s.source.Protocol); stored && !found && !forgotten {
			s.takeOver(id, 0, p)
		}
		return true
	})
}

// takeOver makes a user one that an earlier Run has left as the image shows it. bytes is what the user has taken so far.
func (s *session) takeOver(id domain.UserID, bytes uint32, p domain.Presence) {
	user := sessionUser{bytes: bytes, left: p.Status != domain.Unavailable}
	if user.left {
		s.unconfirmed++
	}
	s.put(id, &user, len(p.Message))
}

// confirm notes that a device of a user was told of, or that there is none.
func (s *session) confirm(user *sessionUser) {
	if user.left {
		user.left = false
		s.unconfirmed--
	}
}

// stored returns what the image has of a user, and whether that is anything.
func (s *session) stored(id domain.UserID) (domain.Presence, bool) {
	return s.image.Presences(id).On(s.source.Protocol)
}

// put stores a user, and counts what it takes. message is the length of a message that is in the image and no device's.
func (s *session) put(id domain.UserID, user *sessionUser, message int) {
	devices, bytes := user.devices.Size()
	bytes += userOverhead + len(id) + devices*deviceOverhead + message
	s.used += int64(bytes) - int64(user.bytes)
	user.bytes = uint32(bytes) //nolint:gosec // far less than 4 GiB: devices, names and messages are bounded
	s.users[id] = *user
}

// remove removes a user.
func (s *session) remove(id domain.UserID) {
	user := s.users[id]
	s.confirm(&user)
	s.used -= int64(user.bytes)
	delete(s.users, id)
	s.settle(id)
}

// fits reports whether there is room for more bytes, if there may be most of them.
func (s *session) fits(bytes int, most int64) bool { return bytes <= 0 || s.used+int64(bytes) <= most }

// enter makes a user one of the current Run, if it is not yet. It returns false if there is no room for the user and for more bytes.
func (s *session) enter(id domain.UserID, user *sessionUser, found bool, bytes int) bool {
	if !found {
		bytes += userOverhead + len(id)
	}
	if !s.fits(bytes, s.limits.Get().SourceBytes) {
		s.exceeded = true
		return false
	}
	if !found && !s.admit(id) {
		return false
	}
	if !user.current {
		user.current = true
		s.reported++
		s.put(id, user, 0)
	}
	return true
}

// admit keeps a place for a user who is not in the image yet. It returns false if there is none.
func (s *session) admit(id domain.UserID) bool {
	if !s.places.bounded() || s.image.User(id) != nil {
		return true
	}
	if !s.places.take(1) {
		s.places.reports.Add(1)
		return false
	}
	s.unwritten[id] = struct{}{}
	return true
}

// settle gives back the place of a user who is in the image now, or will not be.
func (s *session) settle(id domain.UserID) {
	if _, placed := s.unwritten[id]; placed {
		delete(s.unwritten, id)
		s.places.giveBack(1)
	}
}

// end gives back all places. Nothing is written any more.
func (s *session) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.places.giveBack(len(s.unwritten))
	clear(s.unwritten)
}

// known notes that the protocol knows a user. It returns false if there is no room for the user.
func (s *session) known(id domain.UserID) bool {
	user, found := s.users[id]
	if user.current {
		return true
	}
	if !s.enter(id, &user, found, 0) {
		return false
	}
	if s.synced {
		s.mark(id)
	}
	return true
}

// report notes what a device shows. It returns false if there is no room for it.
func (s *session) report(report domain.Report) bool {
	user, found := s.users[report.User]
	if report.Status == domain.Unavailable {
		return s.leave(report, user, found)
	}
	old, there := user.devices.Get(report.Device)
	device := domain.Device{Name: old.Name, Status: report.Status, Message: domain.ClipMessage(report.Message), Activity: report.Activity, Until: report.Until}
	if there && old == device && user.stale == report.Stale {
		s.mark(report.User) // the image may have something else
		return true
	}
	bytes := 0
	if !there {
		device.Name = strings.Clone(report.Device) // which may be a part of something large
		bytes = deviceOverhead + len(device.Name)
	}
	if !s.enter(report.User, &user, found, bytes) {
		return false
	}
	if more := len(device.Message) - len(old.Message); more > 0 && !s.fits(bytes+more, s.limits.Get().messageBytes()) {
		s.exceeded = true
		device.Message = ""
	}
	user.devices.Set(device, s.limits.Get().Devices)
	user.stale = report.Stale
	s.confirm(&user)
	s.put(report.User, &user, 0)
	s.mark(report.User)
	return true
}

// leave takes away devices of a user. It returns false if there is no room for the user.
func (s *session) leave(report domain.Report, user sessionUser, found bool) bool {
	if !s.enter(report.User, &user, found, 0) {
		return false
	}
	nobody := user.devices.None()
	user.devices.Remove(report.Device, report.Prefix || report.Device == "")
	user.stale = report.Stale && user.devices.None() && (user.stale || !nobody)
	s.confirm(&user)
	s.put(report.User, &user, 0)
	if !nobody || s.synced || report.Device == "" { // else a device may have been there before this Run and not been reported yet
		s.mark(report.User)
	}
	return true
}

// forget notes that the protocol does not know a user any more.
func (s *session) forget(id domain.UserID) {
	if s.users[id].current {
		s.reported--
	}
	s.remove(id)
	if _, stored := s.stored(id); stored {
		s.mark(id)
	} else {
		delete(s.dirty, id)
	}
}

// sync notes that everyone who is online has been reported. It marks everyone of this Run without a device, and who is left from an earlier Run
// if the image shows them as if there was one. Whoever is left and not in the image is nobody.
func (s *session) sync() {
	s.synced, s.kept = true, false
	for id, user := range s.users {
		p, stored := s.stored(id)
		switch {
		case !user.devices.None():
		case user.current, stored && (p.Status != domain.Unavailable || p.Stale || s.source.Absent == domain.AbsentNothing):
			s.mark(id)
		case !stored:
			s.remove(id)
		}
	}
}

// unconfirmedKeys returns who is shown with a device that this Run has not reported: an earlier one has left that.
func (s *session) unconfirmedKeys() (keys []image.Key) {
	if s.synced {
		return nil
	}
	for id, user := range s.users {
		if p, stored := s.stored(id); stored && user.devices.None() && p.Status != domain.Unavailable && !p.Stale {
			keys = append(keys, image.KeyOf(id, &p))
		}
	}
	return keys
}

// mark notes that a user is to be written.
func (s *session) mark(id domain.UserID) { s.dirty[id] = struct{}{} }

// markAll marks everyone of the current Run, if all that are online have been reported.
func (s *session) markAll() {
	if !s.synced {
		return
	}
	for id, user := range s.users {
		if user.current {
			s.mark(id)
		}
	}
}

// takeDirty returns what is to be written now.
func (s *session) takeDirty() []pendingWrite {
	pending := make([]pendingWrite, 0, len(s.dirty))
	for id := range s.dirty {
		user, found := s.users[id]
		shown, until := user.devices.Merge()
		absent := user.devices.None() && s.source.Absent == domain.AbsentNothing
		pending = append(pending, pendingWrite{user: id, shown: shown, until: until, stale: user.stale, gone: !user.stale && absent || !found})
	}
	if len(s.dirty) > keptDirty {
		s.dirty = make(map[domain.UserID]struct{}) // a cleared map would keep the room of its largest day
	} else {
		clear(s.dirty)
	}
	return pending
}

// markAgain marks what could not be written.
func (s *session) markAgain(pending []pendingWrite) {
	for _, write := range pending {
		s.mark(write.user)
	}
}

// written notes what was written. Who was forgotten meanwhile is to be removed.
func (s *session) written(pending []pendingWrite) {
	for _, write := range pending {
		user, found := s.users[write.user]
		switch {
		case !write.gone && !found:
			s.mark(write.user)
		case !write.gone:
			s.settle(write.user)
		case found && !user.current:
			s.remove(write.user)
		}
	}
}

// pendingWrite is what is to be written of one user.
type pendingWrite struct {
	user  domain.UserID
	shown domain.Shown
	until domain.Timestamp // zero: until something else is reported
	stale bool             // nobody can say whether shown still holds; if that is nothing, what is there is to be kept
	gone  bool             // nothing is to be left
}

// update returns what becomes of a user's stored presence. What says the same as before is not written again for a while: unlike a
// client's update, a report holds until it is withdrawn.
func (w pendingWrite) update(source domain.Source, old domain.Presence, now domain.Timestamp) domain.Presence {
	stored, silent := old.Revision != 0, w.stale && w.shown.Status == domain.Unavailable
	switch {
	case !stored && (w.gone || silent):
		return old
	case w.gone:
		return old.Remove(now)
	case silent:
		return old.MarkStale(source.StalePolicy(), now)
	}
	next := old.Observe(w.shown, domain.ExpiryPolicy{Vanishes: source.Absent == domain.AbsentNothing && !w.until.IsZero()}, now)
	if !w.until.IsZero() {
		next = next.HoldUntil(w.until)
	}
	next.Stale = w.stale
	if stored && !old.Differs(next) && next.Updated < old.Updated.Add(renewEvery) {
		return old
	}
	return next
}
