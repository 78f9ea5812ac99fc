package main

import (
	"math/rand/v2"
	"slices"
	"time"
)

const (
	pause = 1100 * time.Millisecond // before each step
	holds = 25 * time.Second        // how long what people set themselves holds
)

// person is a colleague: a name, which is also the account's, and the devices that log in to the XMPP server. The first device stays on the
// desk, the others are mobile.
type person struct {
	name    string
	devices []string
}

// people lists all colleagues. The opening lets them do the first activities in this order.
var people = []person{
	{"alice", []string{"laptop", "phone"}},
	{"bob", []string{"desk"}},
	{"carol", []string{"laptop", "phone", "tablet"}},
	{"dave", []string{"desk", "phone"}},
	{"erin", []string{"laptop", "phone"}},
	{"frank", []string{"desk"}},
	{"grace", []string{"laptop", "phone"}},
	{"heidi", []string{"laptop", "tablet"}},
	{"ivan", []string{"desk", "phone"}},
	{"judy", []string{"laptop"}},
	{"oscar", []string{"desk", "phone"}},
	{"peggy", []string{"laptop", "phone"}},
}

// presence is what a client reports. With the status "" there is no such client.
type presence struct {
	Status  string `json:"status"`
	Message string `json:"message,omitempty"`
	Until   string `json:"until,omitempty"`
}

// activity is something that people do, and the presence that their clients report meanwhile.
type activity struct {
	name    string
	desk    presence // XMPP: the device on the desk; online, chat, away, xa or dnd
	pocket  presence // XMPP: mobile devices; then only people who have one do it
	meeting presence // spreed: the client of the web meeting
	manual  presence // manual: set by the person
}

var home = &activity{name: "at home"}

var activities = []*activity{
	{name: "at the desk", desk: presence{Status: "online"}},
	{name: "a web meeting", desk: presence{Status: "dnd", Message: "In a meeting"}, meeting: presence{Status: "busy", Message: "Presenting the roadmap"}},
	{name: "coffee", desk: presence{Status: "away", Message: "Getting a coffee"}},
	{name: "a call", desk: presence{Status: "online"}, pocket: presence{Status: "dnd", Message: "On the phone ☎"}},
	{name: "deep in work", desk: presence{Status: "online"}, manual: presence{Status: "busy", Message: "Writing the annual report"}},
	{name: "a web meeting from home", meeting: presence{Status: "available", Message: "feeling chatty.."}},
	{name: "at the desk", desk: presence{Status: "chat", Message: "My door is open"}},
	{name: "on the train", pocket: presence{Status: "away", Message: "On the train"}},
	{name: "a web meeting", desk: presence{Status: "away"}, meeting: presence{Status: "available", Message: "Listening in"}},
	{name: "lunch", desk: presence{Status: "xa", Message: "Lunch"}},
	{name: "at the dentist's", pocket: presence{Status: "online"}, manual: presence{Status: "away", Message: "At the dentist's"}},
	{name: "on leave", desk: presence{Status: "xa"}, manual: presence{Status: "unavailable", Message: "On leave, ask Alice"}},
	home,
}

// shows returns what a person's i-th device reports.
func (a *activity) shows(i int) presence {
	if i == 0 {
		return a.desk
	}
	return a.pocket
}

// suits reports whether a person has the devices for it.
func (a *activity) suits(p person) bool { return a.pocket.Status == "" || len(p.devices) > 1 }

// step is a person starting an activity.
type step struct {
	person   person
	activity *activity
	abrupt   bool      // clients that end do so without saying it: a closed lid, a closed page
	before   *activity // what the person has done until then
}

// scenario is an endless sequence of steps. The same seed makes the same sequence. It is for one goroutine.
type scenario struct {
	random  *rand.Rand
	opening []step
	doing   map[string]*activity // by name
	recent  []string             // the people of the last steps
}

// newScenario begins with steps that bring every status and every protocol to the board within a dozen seconds.
func newScenario(seed uint64) *scenario {
	s := &scenario{random: rand.New(rand.NewPCG(seed, 0)), doing: map[string]*activity{}}
	for _, person := range people {
		s.doing[person.name] = home
	}
	for i, activity := range activities[:10] {
		s.opening = append(s.opening, step{person: people[i], activity: activity})
	}
	s.opening = append(s.opening, step{person: people[0], activity: home, abrupt: true})
	return s
}

// next returns the next step: somebody who has not just done something starts something else.
func (s *scenario) next() step {
	var n step
	if len(s.opening) > 0 {
		n, s.opening = s.opening[0], s.opening[1:]
	} else {
		for n.activity == nil || !n.activity.suits(n.person) || n.activity == s.doing[n.person.name] || slices.Contains(s.recent, n.person.name) {
			n = step{person: people[s.random.IntN(len(people))], activity: activities[s.random.IntN(len(activities))], abrupt: s.random.IntN(3) == 0}
		}
	}
	n.before, s.doing[n.person.name] = s.doing[n.person.name], n.activity
	s.recent = append(s.recent, n.person.name)
	s.recent = s.recent[max(0, len(s.recent)-3):]
	return n
}
