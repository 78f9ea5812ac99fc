// Package asterisk is the source that watches the hints of an Asterisk through its manager interface (AMI). Package app calls it through
// ports.Source: New makes a Source, Run is one connection.
//
// # What is watched
//
// A hint of the dialplan belongs to an extension, which ports.Identities gives to a user under the name extension@context. It has telephones and
// perhaps a presence state. Each is a device of the user (extensions.go); states.go says what they show.
//
// # What a connection does
//
// It logs in, waits until Asterisk has booted, and lists extensions and presence states (login.go, session.go). From then on events tell what
// changes. It lists again after a reload, now and then, and when an event does not fit the list: Asterisk does not tell everything of a reload.
//
// A user's note can contain anything. Asterisk escapes it in PresenceStateChange and not in PresenceStatus, where it can forge whole events. So
// PresenceStatus is skipped, an answer must have an ActionID that cannot be guessed, and a note that could have forged events causes a new list.
//
// # Goroutines
//
// One reads, always, because Asterisk ends a connection that does not take what it sends (client.go). Run's own goroutine does everything else. Both
// have ended when Run returns.
package asterisk
