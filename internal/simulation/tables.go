package main

import (
	"fmt"
	"strings"
)

// table is one table of the page.
type table struct {
	name string
	rows [][]string // the first one is the head
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

func (t *table) markdown() string {
	var b strings.Builder
	for i, row := range t.rows {
		fmt.Fprintf(&b, "| %s |\n", strings.Join(row, " | "))
		if i == 0 {
			b.WriteString("|---" + strings.Repeat("|---", len(row)-1) + "|\n")
		}
	}
	return b.String()
}

// fill puts the tables between their marks in the page.
func fill(page string, tables []*table) (string, error) {
	for _, t := range tables {
		begin, end := fmt.Sprintf("<!-- %s -->\n", t.name), "<!-- end -->"
		before, rest, found := strings.Cut(page, begin)
		_, after, closed := strings.Cut(rest, end)
		if !found || !closed {
			return "", fmt.Errorf("the marks around the table %s are missing", t.name)
		}
		page = before + begin + "\n" + t.markdown() + "\n" + end + after
	}
	return page, nil
}

const simulatedUsers = 30_000

var (
	populations = []int{1_000_000, 10_000_000, 50_000_000}
	windows     = []float64{0, 1 * minute, 3 * minute, 10 * minute}
)

func simulate() []*table {
	d := simulateDay(simulatedUsers)
	sites := make([][]int, len(populations))
	for i, users := range populations {
		sites[i] = organisations(users)
	}
	return []*table{
		perUser(d), planned(d, "today", sites, measures{}), pages(d), coalesced(d), sharded(sites), interest(sites[1]),
		oneByOne(d, sites[2]), planned(d, "all together", sites, measures{true, true, true}),
	}
}

func perUser(d *day) *table {
	t := &table{name: "what one user does"}
	t.add("what", "a day", "in the busiest minute, for 1,000 users")
	row := func(what string, c *counts) {
		t.add(what, fmt.Sprintf("%.1f", c.sum()), fmt.Sprintf("%.1f", 1000*busiest(c)))
	}
	row("reports of devices on XMPP", &d.reports)
	row("of which change the user's status", &d.statuses)
	row("meetings begun", &d.joins)
	row("meetings ended, by expiry", &d.expiries)
	row("heartbeats that change nothing", &d.renewals)
	return t
}

var siteHead = []string{"records a second", "journals", "use of the fullest", "nodes", "memory of each", "its start", "of one core", "to each node", "beyond the plan"}

func (s *site) row() []string {
	return []string{thousands(s.records), fmt.Sprint(s.journals), percent(s.fullest / journalMost), fmt.Sprint(s.nodes), gigabytes(s.memory()),
		seconds(s.start()), percent(s.core()), fmt.Sprintf("%.1f MB/s", s.bytes()/1e6), s.beyond()}
}

func planned(d *day, name string, sites [][]int, m measures) *table {
	t := &table{name: name}
	t.add(append([]string{"users"}, siteHead...)...)
	for i, sizes := range sites {
		t.add(append([]string{millions(populations[i])}, plan(d, sizes, m).row()...)...)
	}
	return t
}

func oneByOne(d *day, sizes []int) *table {
	t := &table{name: "one by one"}
	t.add(append([]string{"50 million users with"}, siteHead...)...)
	for _, c := range []struct {
		what string
		measures
	}{
		{"none", measures{}},
		{"1: heartbeats", measures{coalesced: true}},
		{"2: journals", measures{sharded: true}},
		{"1 and 2", measures{coalesced: true, sharded: true}},
		{"2 and 3: interest", measures{sharded: true, watching: true}},
		{"1, 2 and 3", measures{true, true, true}},
	} {
		t.add(append([]string{c.what}, plan(d, sizes, c.measures).row()...)...)
	}
	return t
}

func pages(d *day) *table {
	t := &table{name: "pages"}
	t.add("users", "pages open", "lists asked for a second", "changes a second", "pages to tell a second")
	for _, n := range populations {
		users := float64(n)
		told := users * d.changes() * mean(draws) * viewing
		t.add(millions(n), thousands(users*viewing), thousands(users*viewing/askEvery), thousands(users*d.changes()), thousands(told))
	}
	return t
}

func coalesced(d *day) *table {
	t := &table{name: "heartbeats"}
	t.add("window", "heartbeats journaled", "records a second, 10 million users", "shown too long, of those in a meeting", "by, on average", "at most")
	for _, window := range windows {
		c := coalescing{window}
		part, by := c.late(d.sessions)
		t.add(seconds(window), percent(d.journaled(c).sum()/d.renewals.sum()), thousands(10e6*d.records(c)), fmt.Sprintf("%.1f%%", 100*part), seconds(by), seconds(window))
	}
	return t
}

func sharded(sites [][]int) *table {
	t := &table{name: "shards"}
	t.add("users", "journals", "by user", "by domain", "by domain, in pieces of 10,000 users")
	for i, shards := range []int{4, 16, 64} {
		cell := func(sizes []int, piece int) string {
			return fmt.Sprintf("%.2f", unevenness(spread(sizes, shards, piece)))
		}
		single := cell([]int{1_000_000}, 1) // more users are only more even
		t.add(millions(populations[i]), fmt.Sprint(shards), single, cell(sites[i], largest), cell(sites[i], 10_000))
	}
	return t
}

func interest(sizes []int) *table {
	t := &table{name: "interest"}
	t.add("nodes", "pages at any node", "an organisation's pages at one node", "at a node of its journal")
	for _, nodes := range []int{4, 8, 16, 64} {
		cells := []string{fmt.Sprint(nodes)}
		for _, r := range []routing{anywhere, together, home} {
			cells = append(cells, percent(held(sizes, nodes, r, 1)))
		}
		t.add(cells...)
	}
	return t
}

func millions(n int) string       { return fmt.Sprintf("%d million", n/1e6) }
func percent(part float64) string { return fmt.Sprintf("%.0f%%", 100*part) }
func gigabytes(n float64) string  { return fmt.Sprintf("%.1f GB", n/1e9) }
func seconds(s float64) string    { return fmt.Sprintf("%.0f s", s) }

func thousands(n float64) string {
	switch {
	case n < 1e3:
		return fmt.Sprintf("%.0f0", n/10)
	case n < 1e6:
		return fmt.Sprintf("%.0f,000", n/1e3)
	}
	return fmt.Sprintf("%.1f million", n/1e6)
}
