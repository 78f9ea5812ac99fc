package main

import "time"

// pause is before each step.
const pause = 1100 * time.Millisecond

// activityLasts is how long an activity lasts, at least: until everybody else has had a turn.
var activityLasts = time.Duration(len(people)) * pause

// people are the colleagues. Each has two devices that log in to the XMPP server, one on the desk and a mobile; a telephone; and a calendar.
var people = []string{"alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy", "oscar", "peggy"}

// groups are the departments of the colleagues, as many in each.
var groups = []string{"Development", "Help desk", "Sales"}

// presence is what a client reports. With the status "" there is no such client.
type presence struct{ Status, Message string }

// event is what a calendar has. One without a title is none.
type event struct {
	Title  string
	Absent bool // it is an absence, not a meeting
}

// activity is something that people do, and what their clients, telephones and calendars say meanwhile.
type activity struct {
	name     string
	desk     presence // XMPP: the device on the desk: online, chat, away, xa or dnd
	mobile   presence // XMPP: the mobile; likewise
	meeting  presence // spreed: the client of the web meeting
	manual   presence // manual: set by the person
	calls    bool     // asterisk: the telephone is in use
	calendar event
}

var home = &activity{name: "at home"}

var activities = []*activity{
	{name: "at the desk", desk: presence{"online", ""}},
	{name: "a web meeting", desk: presence{"dnd", "In a meeting"}, meeting: presence{"busy", "Presenting the roadmap"}},
	{name: "coffee", desk: presence{"away", "Getting a coffee"}},
	{name: "a call", desk: presence{"online", ""}, calls: true},
	{name: "a meeting", desk: presence{"online", ""}, calendar: event{Title: "Planning the release"}},
	{name: "on holiday", desk: presence{"online", ""}, calendar: event{Title: "At the seaside", Absent: true}},
	{name: "deep in work", desk: presence{"online", ""}, manual: presence{"busy", "Writing the annual report"}},
	{name: "a web meeting from home", meeting: presence{"available", "feeling chatty.."}},
	{name: "at the desk", desk: presence{"chat", "My door is open"}},
	{name: "on the train", mobile: presence{"away", "On the train"}},
	{name: "a web meeting", desk: presence{"away", ""}, meeting: presence{"available", "Listening in"}},
	{name: "lunch", desk: presence{"xa", "Lunch"}},
	{name: "at the dentist's", mobile: presence{"online", ""}, manual: presence{"away", "At the dentist's"}},
	{name: "on leave", desk: presence{"xa", ""}, manual: presence{"unavailable", "On leave, ask Alice"}},
	home,
}

// step is a person starting an activity.
type step struct {
	person   string
	activity *activity
	before   *activity // what the person has done until then
	abrupt   bool      // clients that end do so without saying it: a closed lid, a closed page
}

// stepAt returns step number n. Everybody has a turn, again and again, and starts the activity that follows in the list. So the first
// dozen steps bring every status and every protocol to the board.
func stepAt(n int) step {
	turn, round := n%len(people), n/len(people)
	s := step{person: people[5*turn%len(people)], activity: activities[(turn+round)%len(activities)], before: home, abrupt: n%3 == 0}
	if round > 0 {
		s.before = activities[(turn+round-1)%len(activities)]
	}
	return s
}
