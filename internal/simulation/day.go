package main

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
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
	stayStatus    = 30 * minute // mean of the exponential time for which an XMPP client keeps a status
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

// counts is how often something happens in each minute of the day.
type counts [minutesADay]float64

func (c *counts) note(at float64) { c[int(at/minute+minutesADay)%minutesADay]++ }

func (c *counts) sum() (total float64) {
	for _, n := range c {
		total += n
	}
	return total
}

// day is what one user does on average.
type day struct {
	statuses counts // changes of status on XMPP
	joins    counts // beginnings of meetings
	expiries counts // ends of meetings, noticed by expiry
	renewals counts // heartbeats but the first
	sessions []session
	users    float64 // who were simulated
}

// simulateDay lets so many users live through a day, event by event.
func simulateDay(users int) *day {
	random := rand.New(rand.NewPCG(seed, 1))
	d := &day{users: float64(users)}
	for range users {
		if random.Float64() >= workShare {
			continue
		}
		arrive := arriveMean + arriveSpread*random.NormFloat64()
		leave := arrive + min(max(stayMean+hour*random.NormFloat64(), stayMin), stayMax)
		for at := arrive; at < leave; at += stayStatus * random.ExpFloat64() {
			d.statuses.note(at)
		}
		d.statuses.note(leave)
		for _, s := range meetings(random, arrive, leave) {
			d.joins.note(s.join)
			for at := s.join + heartbeatEvery; at <= s.last; at += heartbeatEvery {
				d.renewals.note(at)
			}
			d.expiries.note(s.last + heartbeatTTL)
			d.sessions = append(d.sessions, s)
		}
	}
	for _, c := range []*counts{&d.statuses, &d.joins, &d.expiries, &d.renewals} {
		for i := range c {
			c[i] /= d.users
		}
	}
	return d
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

// peak is how many records a second each user makes in the busiest minute of the day, if that part of the renewals is journaled.
func (d *day) peak(renewals float64) (most float64) {
	for i := range minutesADay {
		most = max(most, d.statuses[i]+d.joins[i]+d.expiries[i]+renewals*d.renewals[i])
	}
	return most / minute
}

// journaled is the part of the renewals that a rule journals.
func (d *day) journaled(c coalescing) float64 {
	var journaled, all int
	for _, s := range d.sessions {
		j, a := c.records(s)
		journaled, all = journaled+j-1, all+a-1 // the first heartbeat is no renewal
	}
	return float64(journaled) / float64(all)
}
