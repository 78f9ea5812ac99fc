package main

import "time"

// person is a colleague: a name, which is also the account's, and the devices that log in to the XMPP server. The first device stays on the
// desk, the others are mobile.
type person struct {
	name    string
	devices []string
}

// mobile reports whether the person has a mobile device.
func (p person) mobile() bool { return len(p.devices) > 1 }

// people lists all colleagues.
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
type presence struct{ status, message string }

// activity is something that people do, and the presence that their clients report meanwhile.
type activity struct {
	name    string
	desk    presence      // XMPP: the device on the desk; online, chat, away, xa or dnd
	pocket  presence      // XMPP: mobile devices; then only people who have one do it
	meeting presence      // spreed: the client of the web meeting
	manual  presence      // manual: set by the person
	lasting time.Duration // how long the manual presence holds
	weights [4]int        // how likely it is in each part of the day
}

// The parts of a day.
const (
	morning = iota
	noon
	afternoon
	evening
)

// The activities.
var (
	home   = &activity{name: "at home", weights: [4]int{0, 0, 1, 12}}
	desk   = &activity{name: "at the desk", desk: presence{"online", ""}, weights: [4]int{5, 2, 5, 1}}
	open   = &activity{name: "at the desk", desk: presence{"chat", "My door is open"}, weights: [4]int{2, 1, 2, 0}}
	coffee = &activity{name: "coffee", desk: presence{"away", "Getting a coffee"}, weights: [4]int{3, 1, 3, 1}}
	lunch  = &activity{name: "lunch", desk: presence{"xa", "Lunch"}, weights: [4]int{0, 9, 0, 0}}
	call   = &activity{name: "a call", desk: presence{"online", ""}, pocket: presence{"dnd", "On the phone ☎"}, weights: [4]int{3, 1, 3, 1}}
	train  = &activity{name: "on the train", pocket: presence{"away", "On the train"}, weights: [4]int{1, 0, 1, 3}}
	talk   = &activity{name: "a web meeting", desk: presence{"dnd", "In a meeting"}, meeting: presence{"busy", "Presenting the roadmap"}, weights: [4]int{3, 1, 3, 1}}
	listen = &activity{name: "a web meeting", desk: presence{"away", ""}, meeting: presence{"available", "Listening in"}, weights: [4]int{3, 1, 3, 0}}
	guest  = &activity{name: "a web meeting from home", meeting: presence{"available", "feeling chatty.."}, weights: [4]int{2, 1, 2, 2}}
	focus  = &activity{name: "deep in work", desk: presence{"online", ""}, manual: presence{"busy", "Writing the annual report"}, lasting: 25 * time.Second, weights: [4]int{2, 0, 2, 1}}
	doctor = &activity{name: "at the dentist's", pocket: presence{"online", ""}, manual: presence{"away", "At the dentist's"}, lasting: 30 * time.Second, weights: [4]int{1, 0, 1, 0}}
	leave  = &activity{name: "on leave", desk: presence{"xa", ""}, manual: presence{"unavailable", "On leave, ask Alice"}, lasting: 20 * time.Second, weights: [4]int{0, 0, 1, 1}}
)

var activities = []*activity{home, desk, open, coffee, lunch, call, train, talk, listen, guest, focus, doctor, leave}

// devices returns what each device of a person reports. A device that is missing is not logged in.
func (a *activity) devices(p person) map[string]presence {
	devices := map[string]presence{}
	if a.desk.status != "" {
		devices[p.devices[0]] = a.desk
	}
	if a.pocket.status != "" {
		for _, device := range p.devices[1:] {
			devices[device] = a.pocket
		}
	}
	return devices
}

// suits reports whether a person has the devices for it.
func (a *activity) suits(p person) bool { return a.pocket.status == "" || p.mobile() }
