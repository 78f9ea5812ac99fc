package main

import "time"

// person is a colleague: a name, which is the account too, and the devices with which this person logs in to the XMPP server. The first
// device stands on the desk, the others go along.
type person struct {
	name    string
	devices []string
}

// mobile reports whether the person has a device that goes along.
func (p person) mobile() bool { return len(p.devices) > 1 }

// cast is everybody.
var cast = []person{
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

// shown is what a client says of its user. A status of "" says that there is no such client.
type shown struct{ status, message string }

// activity is something that people do, and what it looks like.
type activity struct {
	name    string
	desk    shown         // XMPP: the device on the desk, with one of online, chat, away, xa and dnd
	pocket  shown         // XMPP: those that go along; only people who have one do it
	meeting shown         // spreed: the client of the web meeting
	manual  shown         // what the person sets by hand,
	lasting time.Duration // and how long it is to hold
	weights [4]int        // how likely it is in each part of the day
}

// The parts of a day.
const (
	morning = iota
	noon
	afternoon
	evening
)

// What a colleague may be doing.
var (
	home   = &activity{name: "at home", weights: [4]int{0, 0, 1, 12}}
	desk   = &activity{name: "at the desk", desk: shown{"online", ""}, weights: [4]int{5, 2, 5, 1}}
	open   = &activity{name: "at the desk", desk: shown{"chat", "My door is open"}, weights: [4]int{2, 1, 2, 0}}
	coffee = &activity{name: "coffee", desk: shown{"away", "Getting a coffee"}, weights: [4]int{3, 1, 3, 1}}
	lunch  = &activity{name: "lunch", desk: shown{"xa", "Lunch"}, weights: [4]int{0, 9, 0, 0}}
	call   = &activity{name: "a call", desk: shown{"online", ""}, pocket: shown{"dnd", "On the phone ☎"}, weights: [4]int{3, 1, 3, 1}}
	train  = &activity{name: "on the train", pocket: shown{"away", "On the train"}, weights: [4]int{1, 0, 1, 3}}
	talk   = &activity{name: "a web meeting", desk: shown{"dnd", "In a meeting"}, meeting: shown{"busy", "Presenting the roadmap"}, weights: [4]int{3, 1, 3, 1}}
	listen = &activity{name: "a web meeting", desk: shown{"away", ""}, meeting: shown{"available", "Listening in"}, weights: [4]int{3, 1, 3, 0}}
	guest  = &activity{name: "a web meeting from home", meeting: shown{"available", "feeling chatty.."}, weights: [4]int{2, 1, 2, 2}}
	focus  = &activity{name: "deep in work", desk: shown{"online", ""}, manual: shown{"busy", "Writing the annual report"}, lasting: 25 * time.Second, weights: [4]int{2, 0, 2, 1}}
	doctor = &activity{name: "at the dentist's", pocket: shown{"online", ""}, manual: shown{"away", "At the dentist's"}, lasting: 30 * time.Second, weights: [4]int{1, 0, 1, 0}}
	leave  = &activity{name: "on leave", desk: shown{"xa", ""}, manual: shown{"unavailable", "On leave, ask Alice"}, lasting: 20 * time.Second, weights: [4]int{0, 0, 1, 1}}
)

var activities = []*activity{home, desk, open, coffee, lunch, call, train, talk, listen, guest, focus, doctor, leave}

// devices says what each device of a person shows meanwhile. One that is not in it is not logged in.
func (a *activity) devices(p person) map[string]shown {
	devices := map[string]shown{}
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

// suits reports whether a person can do it.
func (a *activity) suits(p person) bool { return a.pocket.status == "" || p.mobile() }
