package main

import (
	"fmt"
	"math"
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

const simulatedUsers = 50_000

var (
	populations = []float64{1e6, 10e6, 50e6}
	windows     = []float64{0, 1 * minute, 3 * minute, 10 * minute}
)

// chosenWindow is what the design proposes.
const chosenWindow = 3 * minute

func simulate() []*table {
	d := simulateDay(simulatedUsers)
	return []*table{perUser(d), asItIs(d), coalesced(d), sharded(), interest(), together(d)}
}

func perUser(d *day) *table {
	t := &table{name: "what one user does"}
	t.add("what", "a day", "in the busiest minute, for 1,000 users")
	row := func(what string, c *counts) {
		busiest := 0.0
		for _, n := range c {
			busiest = max(busiest, n)
		}
		t.add(what, fmt.Sprintf("%.1f", c.sum()), fmt.Sprintf("%.1f", 1000*busiest))
	}
	row("changes of status on XMPP", &d.statuses)
	row("meetings begun", &d.joins)
	row("meetings ended, by expiry", &d.expiries)
	row("heartbeats that change nothing", &d.renewals)
	return t
}

func asItIs(d *day) *table {
	t := &table{name: "as it is"}
	t.add("users", "records a second at the peak", "of what one journal takes", "to each node", "of one core of each node", "memory of each node", "start")
	for _, users := range populations {
		rate := users * d.peak(1)
		t.add(millions(users), thousands(rate), percent(rate/journalMost), fmt.Sprintf("%.0f MB/s", rate*recordBytes/1e6), percent(rate*applyRecord),
			gigabytes(users*memoryUser), fmt.Sprintf("%.0f s", users*loadUser))
	}
	return t
}

func coalesced(d *day) *table {
	t := &table{name: "heartbeats"}
	t.add("window", "heartbeats journaled", "records a second at the peak, 10 million users", "too late after the keeper was killed, at most")
	for _, window := range windows {
		share := d.journaled(coalescing{window})
		t.add(seconds(window), percent(share), thousands(10e6*d.peak(share)), seconds(window))
	}
	return t
}

func sharded() *table {
	t := &table{name: "shards"}
	t.add("users", "journals", "by user", "by domain", "by domain, in pieces of 10,000 users")
	for _, c := range []struct {
		users  int
		shards int
	}{{1_000_000, 4}, {10_000_000, 16}, {50_000_000, 64}} {
		sizes := organisations(c.users)
		cell := func(piece int) string { return fmt.Sprintf("%.2f", unevenness(sizes, c.shards, piece)) }
		single := fmt.Sprintf("%.2f", unevenness([]int{1_000_000}, c.shards, 1)) // more users are only more even
		t.add(millions(float64(c.users)), fmt.Sprint(c.shards), single, cell(c.users), cell(10_000))
	}
	return t
}

func interest() *table {
	t := &table{name: "interest"}
	t.add("nodes", "pages at any node", "an organisation's pages at one node")
	sizes := organisations(10_000_000)
	for _, nodes := range []int{4, 16, 64} {
		t.add(fmt.Sprint(nodes), percent(watched(sizes, nodes, false)), percent(watched(sizes, nodes, true)))
	}
	return t
}

// together plans journals and nodes with all measures: as few as keep to the plan of costs.go.
func together(d *day) *table {
	t := &table{name: "all together"}
	t.add("users", "records a second at the peak", "journals", "nodes", "memory of each node", "start", "of one core of each node", "to each node")
	share := d.journaled(coalescing{chosenWindow})
	for _, users := range populations {
		rate := users * d.peak(share)
		journals := int(math.Ceil(rate * piecesUneven / (journalMost * journalPlan)))
		sizes := organisations(int(users))
		nodes := 1
		for ; ; nodes++ {
			if part := watched(sizes, nodes, true); part*users*memoryUser <= nodeMemory && part*rate*applyRecord <= nodeCores {
				break
			}
		}
		part := watched(sizes, nodes, true)
		t.add(millions(users), thousands(rate), fmt.Sprint(journals), fmt.Sprint(nodes), gigabytes(part*users*memoryUser),
			fmt.Sprintf("%.0f s", part*users*loadUser), percent(part*rate*applyRecord), fmt.Sprintf("%.0f MB/s", part*rate*recordBytes/1e6))
	}
	return t
}

// piecesUneven is how uneven shards in pieces are reckoned to be; the table of the shards shows less, and no draw of the tests more.
const piecesUneven = 1.4

func millions(n float64) string   { return fmt.Sprintf("%.0f million", n/1e6) }
func percent(part float64) string { return fmt.Sprintf("%.0f%%", 100*part) }
func gigabytes(n float64) string  { return fmt.Sprintf("%.1f GB", n/1e9) }
func seconds(s float64) string    { return fmt.Sprintf("%.0f s", s) }

func thousands(n float64) string {
	if n < 1000 {
		return fmt.Sprintf("%.0f", n)
	}
	return fmt.Sprintf("%.0f,000", n/1000)
}
