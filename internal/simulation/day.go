package main

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/zarafa/presence/domain"
)

// seed makes every run the same.
const seed = 20261122

// What people do is assumed, and the assumptions are here and in docs/scale.md. Times of the day are in seconds since midnight, where the user is.
const (
	hour   = 3600.0
	minute = 60.0

	workShare     = 0.85       // of the users work on the day
	arriveMean    = 8.5 * hour // of the normal distribution of when they come
	arriveSpread  = 0.75 * hour
	stayMean      = 8.5 * hour
	stayMin       = 1 * hour
	stayMax       = 13 * hour
	phoneShare    = 0.6         // of them have a telephone as well, from an hour before until three hours after
	stayStatus    = 30 * minute // mean of the exponential time for which a device keeps a status
	meetingsADay  = 1.5         // mean of the Poisson distribution; what would overlap does not take place
	meetingsFrom  = 9 * hour
	meetingsUntil = 17 * hour
	fullHour      = 2.0 / 3 // of the meetings begin on the hour, the others half an hour later
	early, late   = 2 * minute, 3 * minute
	lengthMedian  = 30 * minute // of the lognormal distribution
	lengthSigma   = 0.5
	lengthMax     = 3 * hour

	heartbeatEvery = 40.0 // seconds
	heartbeatTTL   = 120.0
)

const minutesADay = 24 * 60

// counts is how often something happens in each minute of the day, to one user on average.
type counts [minutesADay]float64

func (c *counts) note(at float64, part float64) {
	c[int(at/minute+minutesADay)%minutesADay] += part
}

func (c *counts) sum() (total float64) {
	for _, n := range c {
		total += n
	}
	return total
}

// busiest is how often all of it together happens in the busiest minute.
func busiest(all ...*counts) (most float64) {
	for i := range minutesADay {
		together := 0.0
		for _, c := range all {
			together += c[i]
		}
		most = max(most, together)
	}
	return most
}

// day is what happens on a day.
type day struct {
	reports  counts // what devices on XMPP say
	statuses counts // what of it changes the user's status
	joins    counts // beginnings of meetings
	expiries counts // ends of meetings, noticed by expiry
	renewals counts // heartbeats but the first
	sessions []session
	part     float64 // of each count is one of the simulated users
}

// simulateDay lets so many users live through a day, event by event.
func simulateDay(users int) *day {
	random := rand.New(rand.NewPCG(seed, 1))
	d := &day{part: 1 / float64(users)}
	for range users {
		if random.Float64() >= workShare {
			continue
		}
		arrive := arriveMean + arriveSpread*random.NormFloat64()
		leave := arrive + min(max(stayMean+hour*random.NormFloat64(), stayMin), stayMax)
		all := reports(random, "desk", arrive, leave, domain.Away, domain.Available, domain.Available, domain.Busy)
		if random.Float64() < phoneShare {
			all = append(all, reports(random, "phone", arrive-hour, leave+3*hour, domain.Away, domain.Available)...)
		}
		d.live(all)
		for _, s := range meetings(random, arrive, leave) {
			d.joins.note(s.join, d.part)
			coalescing{}.each(s, func(at float64, _ bool) { d.renewals.note(at, d.part) })
			d.expiries.note(s.last+heartbeatTTL, d.part)
			d.sessions = append(d.sessions, s)
		}
	}
	return d
}

type report struct {
	at     float64
	device domain.Device
}

// reports draws what a device says between two moments.
func reports(random *rand.Rand, name string, from, until float64, statuses ...domain.Status) (all []report) {
	for at := from; at < until; at += stayStatus * random.ExpFloat64() {
		all = append(all, report{at, domain.Device{Name: name, Status: statuses[random.IntN(len(statuses))]}})
	}
	return append(all, report{until, domain.Device{Name: name, Status: domain.Unavailable}})
}

// live counts what a user's devices say, and what it changes by the domain's rule.
func (d *day) live(all []report) {
	slices.SortFunc(all, func(a, b report) int { return cmp.Compare(a.at, b.at) })
	var devices domain.Devices
	before, _ := devices.Merge()
	for _, r := range all {
		d.reports.note(r.at, d.part)
		devices.Set(r.device)
		if now, _ := devices.Merge(); now != before {
			d.statuses.note(r.at, d.part)
			before = now
		}
	}
}

// meetings draws one user's meetings between arrival and departure.
func meetings(random *rand.Rand, arrive, leave float64) []session {
	var all []session
	slots := (meetingsUntil - meetingsFrom) / hour
	for range poisson(random, meetingsADay) {
		begin := meetingsFrom + hour*math.Floor(slots*random.Float64())
		if random.Float64() >= fullHour {
			begin += hour / 2
		}
		begin += (early+late)*random.Float64() - early
		length := min(lengthMedian*math.Exp(lengthSigma*random.NormFloat64()), lengthMax)
		end := min(begin+length, leave)
		if begin < arrive || end < begin {
			continue
		}
		all = append(all, session{begin, begin + heartbeatEvery*math.Floor((end-begin)/heartbeatEvery)})
	}
	slices.SortFunc(all, func(a, b session) int { return cmp.Compare(a.join, b.join) })
	kept := all[:0]
	for _, s := range all {
		if n := len(kept); n == 0 || kept[n-1].last+heartbeatTTL < s.join {
			kept = append(kept, s)
		}
	}
	return kept
}

// poisson draws from the Poisson distribution.
func poisson(random *rand.Rand, mean float64) int {
	n := 0
	for product, floor := random.Float64(), math.Exp(-mean); product > floor; product *= random.Float64() {
		n++
	}
	return n
}

// journaled is which of the renewals a rule journals.
func (d *day) journaled(c coalescing) *counts {
	var journaled counts
	for _, s := range d.sessions {
		c.each(s, func(at float64, written bool) {
			if written {
				journaled.note(at, d.part)
			}
		})
	}
	return &journaled
}

// records is how many records a second each user makes in the busiest minute.
func (d *day) records(c coalescing) float64 {
	return busiest(&d.statuses, &d.joins, &d.expiries, d.journaled(c)) / minute
}

// changes is the same of what watchers are told, which no rule changes.
func (d *day) changes() float64 { return busiest(&d.statuses, &d.joins, &d.expiries) / minute }

// updates is the same of what comes in over HTTP.
func (d *day) updates() float64 { return busiest(&d.joins, &d.renewals) / minute }
