package app

import (
	"sync"

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
	limits Limits

	users     map[domain.UserID]sessionUser
	reported  int                        // how many of users are current
	newcomers int                        // how many of users are not in the image yet
	dirty     map[domain.UserID]struct{} // users to be written
	used      int64                      // bytes, at most limits.SourceBytes but for what was in the image before
	exceeded  bool                       // something was ignored since takeExceeded
	synced    bool
	sweep     bool // everybody in the image is to be compared with users
}

// sessionUser is what is known of one user. There may be millions, so it is small.
type sessionUser struct {
	devices  domain.Devices // of the current Run
	bytes    uint32         // of the limit
	state    userState
	newcomer bool
}

type userState uint8

const (
	left      userState = iota // an earlier Run has told of the user, this one has not yet
	current                    // this Run has told of the user
	forgotten                  // the protocol does not know the user any more; that is still to be written
)

// keptDirty is for how many users a session keeps room when they are written.
const keptDirty = 8192

// newSession returns a session that knows which users of the source are in the image.
func newSession(source domain.Source, img *image.Image, limits Limits) *session {
	s := &session{
		source: source,
		image:  img,
		limits: limits,
		users:  make(map[domain.UserID]sessionUser),
		dirty:  make(map[domain.UserID]struct{}),
	}
	img.Each(func(id domain.UserID, presences domain.Presences) bool {
		if p, known := presences.On(source.Protocol); known {
			s.adopt(id, p)
		}
		return true
	})
	return s
}

// restart begins a new Run: nobody was reported, and whoever was before is left.
func (s *session) restart() {
	clear(s.dirty)
	s.reported, s.exceeded, s.synced, s.sweep = 0, false, false, false
	for id, user := range s.users {
		if user.state == forgotten {
			s.mark(id)
			continue
		}
		_, message := user.devices.Merge()
		user.devices.Clear()
		user.state = left
		s.put(id, &user, len(message))
	}
}

// adopt adds a user whom the image has.
func (s *session) adopt(id domain.UserID, p domain.Presence) {
	s.put(id, &sessionUser{state: left}, len(p.Message))
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
	s.used -= int64(user.bytes)
	s.settle(&user)
	delete(s.users, id)
}

// settle notes that a user is no newcomer any more.
func (s *session) settle(user *sessionUser) {
	if user.newcomer {
		user.newcomer = false
		s.newcomers--
	}
}

// room reports whether there is room for an ordinary user and a device.
func (s *session) room() bool {
	return s.fits(userOverhead+deviceOverhead+4*domain.MaxUserID, s.limits.SourceBytes)
}

// fits reports whether there is room for more bytes, of which there may be as many as most.
func (s *session) fits(bytes int, most int64) bool { return bytes <= 0 || s.used+int64(bytes) <= most }

// crowded reports whether there are as many users as there may be.
func (s *session) crowded() bool {
	return s.limits.Users > 0 && s.image.Users()+s.newcomers >= s.limits.Users
}

// enter makes a user one of the current Run, if it is not yet. It returns false if there is no room for the user and for more bytes.
func (s *session) enter(id domain.UserID, user *sessionUser, found bool, bytes int) bool {
	if !found {
		bytes += userOverhead + len(id)
		user.newcomer = len(s.image.Presences(id)) == 0
	}
	if !s.fits(bytes, s.limits.SourceBytes) || user.newcomer && !found && s.crowded() {
		s.exceeded = true
		return false
	}
	if user.newcomer && !found {
		s.newcomers++
	}
	if user.state != current {
		user.state = current
		s.reported++
		s.put(id, user, 0)
	}
	return true
}

func (s *session) known(id domain.UserID) {
	user, found := s.users[id]
	if user.state != current && s.enter(id, &user, found, 0) && s.synced {
		s.mark(id)
	}
}

func (s *session) report(report *domain.Report) {
	user, found := s.users[report.User]
	if report.Status == domain.Unavailable {
		s.leaves(report, user, found)
		return
	}
	device := domain.Device{Name: report.Device, Status: report.Status, Message: domain.ClipMessage(report.Message)}
	old, there := user.devices.Get(device.Name)
	if there && old == device {
		s.mark(report.User) // the image may have something else
		return
	}
	bytes := 0
	if !there {
		bytes = deviceOverhead + len(device.Name)
	}
	if !s.enter(report.User, &user, found, bytes) {
		return
	}
	if more := len(device.Message) - len(old.Message); more > 0 && !s.fits(bytes+more, s.limits.messageBytes()) {
		s.exceeded = true
		device.Message = ""
	}
	user.devices.Set(device, s.limits.Devices)
	s.put(report.User, &user, 0)
	s.mark(report.User)
}

// leaves takes away one device of a user, or all of them.
func (s *session) leaves(report *domain.Report, user sessionUser, found bool) {
	if !s.enter(report.User, &user, found, 0) {
		return
	}
	nobody := user.devices.None()
	if report.Device == "" {
		user.devices.Clear()
	} else {
		user.devices.Set(domain.Device{Name: report.Device}, s.limits.Devices)
	}
	s.put(report.User, &user, 0)
	if nobody && !s.synced && report.Device != "" {
		return // another device may have been there before this Run and not been reported yet
	}
	s.mark(report.User)
}

func (s *session) forget(id domain.UserID) {
	user, found := s.users[id]
	if !found {
		p, stored := s.image.Presences(id).On(s.source.Protocol)
		if !stored {
			return
		}
		s.adopt(id, p) // somebody else has written it
		user = s.users[id]
	}
	if user.state == current {
		s.reported--
	}
	user.state = forgotten
	user.devices.Clear()
	s.put(id, &user, 0)
	s.mark(id)
}

// sync notes that everyone who is online has been reported.
func (s *session) sync() { s.synced, s.sweep = true, true }

// mark notes that a user is to be written.
func (s *session) mark(id domain.UserID) { s.dirty[id] = struct{}{} }

// takeExceeded reports whether something was ignored for lack of room since it was last called.
func (s *session) takeExceeded() bool {
	exceeded := s.exceeded
	s.exceeded = false
	return exceeded
}

// takeSweep reports whether everybody in the image is to be compared now, once.
func (s *session) takeSweep() bool {
	sweep := s.sweep
	s.sweep = false
	return sweep
}

// compare marks a user from the image who has no device and is shown as if there was one.
func (s *session) compare(id domain.UserID, presences domain.Presences) {
	p, stored := presences.On(s.source.Protocol)
	user, found := s.users[id]
	if found { // the image's copy of the id takes the place of ours, so that it is in memory once
		delete(s.users, id)
		s.users[id] = user
	}
	if !stored {
		return
	}
	if !found {
		s.adopt(id, p)
	}
	if user.devices.None() && (p.Status != domain.Unavailable || p.Stale || s.source.Absent == domain.AbsentNothing) {
		s.mark(id)
	}
}

// markAbsent marks everyone of the current Run who has no device. Who is left from an earlier one and not in the image is nobody.
func (s *session) markAbsent() {
	for id, user := range s.users {
		if user.state == left {
			if _, stored := s.image.Presences(id).On(s.source.Protocol); !stored {
				s.remove(id)
			}
			continue
		}
		if user.devices.None() {
			s.mark(id)
		}
	}
}

// markAll marks everyone of the current Run, if all that are online have been reported.
func (s *session) markAll() {
	if !s.synced {
		return
	}
	for id, user := range s.users {
		if user.state == current {
			s.mark(id)
		}
	}
}

// takeDirty returns what is to be written now.
func (s *session) takeDirty() []pendingWrite {
	pending := make([]pendingWrite, 0, len(s.dirty))
	for id := range s.dirty {
		user, found := s.users[id]
		status, message := user.devices.Merge()
		absent := user.devices.None() && s.source.Absent == domain.AbsentNothing
		pending = append(pending, pendingWrite{user: id, message: message, status: status, gone: absent || !found || user.state == forgotten})
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

// written notes what was written.
func (s *session) written(pending []pendingWrite) {
	for _, write := range pending {
		user, found := s.users[write.user]
		switch {
		case found && write.gone && user.state != current:
			s.remove(write.user)
		case found && user.newcomer && !write.gone:
			s.settle(&user)
			s.users[write.user] = user
		}
	}
}

// pendingWrite is what is to be written of one user.
type pendingWrite struct {
	user    domain.UserID
	message string
	status  domain.Status
	gone    bool // nothing is to be left
}

// update returns what becomes of a user's stored presence. What says the same as before is not written again for a while: unlike a
// client's update, a report holds until it is withdrawn.
func (w pendingWrite) update(old domain.Presence, now domain.Timestamp) domain.Presence {
	stored := old.Revision != 0
	if w.gone {
		if !stored {
			return old
		}
		return old.Remove(now)
	}
	next := old.Observe(w.status, w.message, domain.ExpiryPolicy{}, now)
	if stored && !old.Differs(next) && next.Updated < old.Updated.Add(renewEvery) {
		return old
	}
	return next
}
