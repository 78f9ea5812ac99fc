package main

import "time"

// person is a colleague: a name, which is also the account's, and the devices that log in to the XMPP server. The first device stays on the
// desk, the others are mobile.
type person struct {
	name    string
	devices []string
}

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
}

// The activities.
var (
	home   = &activity{name: "at home"}
	desk   = &activity{name: "at the desk", desk: presence{"online", ""}}
	open   = &activity{name: "at the desk", desk: presence{"chat", "My door is open"}}
	coffee = &activity{name: "coffee", desk: presence{"away", "Getting a coffee"}}
	lunch  = &activity{name: "lunch", desk: presence{"xa", "Lunch"}}
	call   = &activity{name: "a call", desk: presence{"online", ""}, pocket: presence{"dnd", "On the phone ☎"}}
	train  = &activity{name: "on the train", pocket: presence{"away", "On the train"}}
	talk   = &activity{name: "a web meeting", desk: presence{"dnd", "In a meeting"}, meeting: presence{"busy", "Presenting the roadmap"}}
	listen = &activity{name: "a web meeting", desk: presence{"away", ""}, meeting: presence{"available", "Listening in"}}
	guest  = &activity{name: "a web meeting from home", meeting: presence{"available", "feeling chatty.."}}
	focus  = &activity{name: "deep in work", desk: presence{"online", ""}, manual: presence{"busy", "Writing the annual report"}, lasting: 25 * time.Second}
	doctor = &activity{name: "at the dentist's", pocket: presence{"online", ""}, manual: presence{"away", "At the dentist's"}, lasting: 30 * time.Second}
	leave  = &activity{name: "on leave", desk: presence{"xa", ""}, manual: presence{"unavailable", "On leave, ask Alice"}, lasting: 20 * time.Second}
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
func (a *activity) suits(p person) bool { return a.pocket.status == "" || len(p.devices) > 1 }
