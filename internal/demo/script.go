package main

import (
	"math/rand/v2"
	"slices"
	"time"
)

const (
	// hour is how long an hour of the day takes.
	hour = 15 * time.Second

	// The day begins at nine and ends nine hours later.
	dayBegins, dayHours = 9, 9

	// The shortest and the longest time between two scenes.
	shortest, longest = 600 * time.Millisecond, 1600 * time.Millisecond
)

// scene is one person who begins to do something.
type scene struct {
	after    time.Duration // since the scene before
	person   person
	activity *activity
	abrupt   bool // what is left is left without a word: the lid is closed, the page is gone
}

// script is an endless play: days at the office in fast motion. The same seed makes the same play. It is for one goroutine.
type script struct {
	random  *rand.Rand
	opening []scene
	elapsed time.Duration
	doing   map[string]*activity // by name; nobody has come yet who is not in it
	recent  []string             // who was in the last scenes
}

func newScript(seed uint64) *script {
	return &script{random: rand.New(rand.NewPCG(seed, 0)), opening: opening(), doing: map[string]*activity{}}
}

// opening is how every play begins: within a dozen seconds every status and every protocol is on the board.
func opening() []scene {
	const pause = 1100 * time.Millisecond
	begin := []*activity{desk, talk, coffee, call, focus, guest, open, train, listen, desk}
	scenes := make([]scene, len(begin))
	for i, activity := range begin {
		scenes[i] = scene{after: pause, person: cast[i], activity: activity}
	}
	return append(scenes, scene{after: pause, person: cast[0], activity: home, abrupt: true})
}

// next returns the next scene.
func (s *script) next() scene {
	var n scene
	if len(s.opening) > 0 {
		n, s.opening = s.opening[0], s.opening[1:]
	} else {
		n = s.improvise()
	}
	s.elapsed += n.after
	s.doing[n.person.name] = n.activity
	s.recent = append(s.recent, n.person.name)
	if len(s.recent) > 3 {
		s.recent = s.recent[1:]
	}
	return n
}

func (s *script) improvise() scene {
	n := scene{after: shortest + time.Duration(s.random.Int64N(int64(longest-shortest))), abrupt: s.random.IntN(3) == 0}
	for {
		n.person = cast[s.random.IntN(len(cast))]
		if !slices.Contains(s.recent, n.person.name) {
			break
		}
	}
	n.activity = s.choose(n.person)
	return n
}

// choose draws something else to do for a person, after the time of the day.
func (s *script) choose(p person) *activity {
	part, total := s.part(), 0
	var possible []*activity
	for _, a := range activities {
		if a.suits(p) && a != s.doing[p.name] && a.weights[part] > 0 {
			possible = append(possible, a)
			total += a.weights[part]
		}
	}
	drawn := s.random.IntN(total)
	for _, a := range possible {
		if drawn -= a.weights[part]; drawn < 0 {
			return a
		}
	}
	return home // not reached: drawn is less than the total
}

// now is the time of the day in the play, since midnight.
func (s *script) now() time.Duration {
	day := s.elapsed % (dayHours * hour)
	return dayBegins*time.Hour + time.Duration(float64(day)/float64(hour)*float64(time.Hour))
}

func (s *script) part() int {
	switch now := s.now(); {
	case now < 12*time.Hour:
		return morning
	case now < 13*time.Hour+30*time.Minute:
		return noon
	case now < 17*time.Hour:
		return afternoon
	default:
		return evening
	}
}
