package fanout_test

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/bench"
)

// subscribers is how many there are of each server.
const subscribers = 10_000

// audience is a server with its subscribers, who are told of everything.
type audience struct {
	*target
	*readers
}

func get(path, more string) string {
	return fmt.Sprintf("GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n%s\r\n", path, more)
}

func authorization(b *testing.B) string {
	b.Helper()
	tokens, err := newTokens()
	if err != nil {
		b.Fatal(err)
	}
	return "Authorization: Bearer " + tokens.Issue(service) + "\r\n"
}

func subject(b *testing.B) *audience { return everybody(b, "subject") }

// everybody is a daemon whose subscribers follow everybody.
func everybody(b *testing.B, role string) *audience {
	t := startDaemon(b, role)
	return &audience{t, connect(b, orders{
		Port: t.port, Count: subscribers, Requests: []string{get("/v1/events", authorization(b))}, Ready: "event: ready\nid: 0\ndata: {\"revision\":0}\n\n",
	})}
}

func reference(b *testing.B) *audience {
	t := startBare(b)
	return &audience{t, connect(b, orders{Port: t.port, Count: subscribers, Requests: []string{get("/", "")}, Ready: "ready\n\n"})}
}

func nchan(b *testing.B) *audience {
	t := startNchan(b)
	return &audience{t, connect(b, orders{Port: t.port, Count: subscribers, Requests: []string{get("/sub", "")}, Ready: ": hi\n\n"})}
}

// publish publishes one event.
func (a *audience) publish(b *testing.B) { a.send(b, a.request(a.mark())) }

// closedLoop publishes an event as soon as fewer than two are on their way. It counts deliveries.
func (a *audience) closedLoop(b *testing.B) bench.Load {
	return func(stop func() bool) (deliveries int) {
		const most = 2
		for underWay := 0; ; {
			for ; underWay < most && !stop(); underWay++ {
				a.publish(b)
			}
			if underWay == 0 {
				return deliveries
			}
			a.complete(b)
			underWay--
			deliveries += a.count
		}
	}
}

// complete waits until one more event has come to everybody.
func (a *audience) complete(b *testing.B) {
	b.Helper()
	select {
	case <-a.completed:
	case <-time.After(20 * time.Second):
		b.Fatalf("an event has not come to everybody within 20 s: %d deliveries of %d events to %d", a.delivered.Load(), a.number, a.count)
	}
}

// BenchmarkClosedLoopBesideBare has two events under way to everybody at any time.
func BenchmarkClosedLoopBesideBare(b *testing.B) {
	bare, ours := reference(b), subject(b)
	bench.Compare(b, 0.85, bare.closedLoop(b), ours.closedLoop(b))
}

// BenchmarkClosedLoopBesideNchan is the same beside nchan.
func BenchmarkClosedLoopBesideNchan(b *testing.B) {
	other, ours := nchan(b), subject(b)
	bench.Compare(b, 1.25, other.closedLoop(b), ours.closedLoop(b))
}

// BenchmarkClosedLoopWithRules compares a daemon with ten rules with one without. Each subscriber is another user, and all of them follow the same two.
func BenchmarkClosedLoopWithRules(b *testing.B) {
	free, ruled := viewers(b, "subject"), viewers(b, "ruled")
	bench.Compare(b, 0.9, free.closedLoop(b), ruled.closedLoop(b))
}

// BenchmarkClosedLoopOfEverybodyWithRules is the same with subscribers who are one service, which follows everybody.
func BenchmarkClosedLoopOfEverybodyWithRules(b *testing.B) {
	free, ruled := everybody(b, "subject"), everybody(b, "ruled")
	bench.Compare(b, 0.9, free.closedLoop(b), ruled.closedLoop(b))
}

// viewers is a daemon whose subscribers are as many users, and follow two others.
func viewers(b *testing.B, role string) *audience {
	t := startDaemon(b, role)
	tokens, err := newTokens()
	if err != nil {
		b.Fatal(err)
	}
	followed := []string{user(0), user(1)} // as many as events are on their way
	requests := make([]string, subscribers)
	for i := range requests {
		requests[i] = get("/v1/events?user="+strings.Join(followed, "&user="), "Authorization: Bearer "+tokens.Issue(domain.UserID(viewer(i)))+"\r\n")
	}
	t.request = func(number int) string { return put(tokens, number, followed[number%2]) }
	return &audience{t, connect(b, orders{Port: t.port, Count: subscribers, Requests: requests, Ready: "event: ready\nid: 0\ndata: {\"revision\":0}\n\n"})}
}

// BenchmarkHighestRate finds how many events a second can be published so that 99 of 100 deliveries take less than a second.
func BenchmarkHighestRate(b *testing.B) {
	all := []*audience{subject(b), reference(b), nchan(b)}
	rates := make([]float64, len(all))
	for i, a := range all {
		rates[i] = a.highestRate(b)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(rates[0]*subscribers, "subject/s")
	b.ReportMetric(rates[1]*subscribers, "reference/s")
	b.ReportMetric(rates[2]*subscribers, "nchan/s")
	for i, floor := range []float64{0, 0.6, 2.3} {
		if i == 0 {
			continue
		}
		ratio := rates[0] / rates[i]
		b.ReportMetric(ratio, []string{"", "ratio", "ratio-to-nchan"}[i])
		if ratio < floor {
			b.Errorf("%.0f events a second are %.2f of the %.0f of the other, below the floor of %.2f", rates[0], ratio, rates[i], floor)
		}
	}
}

// highestRate doubles the rate while the events arrive in time, and then looks in between.
func (a *audience) highestRate(b *testing.B) float64 {
	good, bad := 4.0, 8.0
	for ; a.keepsUp(b, bad); bad *= 2 {
		good = bad
	}
	for range 3 {
		if middle := (good + bad) / 2; a.keepsUp(b, middle) {
			good = middle
		} else {
			bad = middle
		}
	}
	return good
}

// keepsUp publishes at a rate for a while and reports whether that could be done and 99 of 100 deliveries took less than a second. It
// returns when all have arrived.
func (a *audience) keepsUp(b *testing.B, rate float64) bool {
	const duration = 3 * time.Second
	p99, took := a.publishAt(b, rate, duration)
	b.Logf("%.0f events a second: 99 of 100 deliveries took up to %v, publishing %v", rate, p99, took)
	return p99 < time.Second && took < duration*11/10
}

// publishAt publishes at a rate, and returns how long 99 of 100 deliveries took at most, when all have arrived, and how long it took to publish.
func (a *audience) publishAt(b *testing.B, rate float64, duration time.Duration) (p99, took time.Duration) {
	b.Helper()
	before := a.tally()
	n := int(rate * duration.Seconds())
	began := time.Now()
	for i := range n {
		time.Sleep(time.Until(began.Add(time.Duration(float64(i) / rate * float64(time.Second)))))
		a.publish(b)
	}
	took = time.Since(began)
	for range n {
		a.complete(b)
	}
	after := a.tally()
	_, p99 = after.since(before)
	return p99, took
}

// BenchmarkIdleSubscriber measures the memory of the daemon, not counting the kernel's, for each idle subscriber.
func BenchmarkIdleSubscriber(b *testing.B) {
	const most = 12 << 10 // bytes
	t := startSubject(b)
	auth := authorization(b)
	requests := make([]string, subscribers)
	for i := range requests {
		requests[i] = get("/v1/events?user="+user(i), auth)
	}
	o := orders{Port: t.port, Count: 100, Requests: requests, Ready: "event: ready"}
	connect(b, o) // what is there once and for all is there
	before := t.process.resident(b)
	o.Count = subscribers
	connect(b, o)
	each := float64(t.process.resident(b)-before) / subscribers
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(each, "B/subscriber")
	if each > most {
		b.Errorf("a subscriber takes %.0f bytes, more than %d", each, most)
	}
}

// resident returns the resident memory of a process in bytes, after it has given back what it does not need.
func (c *child) resident(b *testing.B) int {
	b.Helper()
	if err := c.Process.Signal(syscall.SIGUSR1); err != nil {
		b.Fatal(err)
	}
	if got := c.line(b); got != "collected" {
		b.Fatalf("the server says %q", got)
	}
	return c.memory(b, "VmRSS:")
}

// memory returns what the kernel says of a process's memory under a name (proc_pid_status(5)), in bytes.
func (c *child) memory(b *testing.B, name string) int {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.Process.Pid))
	if err != nil {
		b.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), name)
	kilobytes, err := strconv.Atoi(strings.Fields(after)[0])
	if err != nil {
		b.Fatal(err)
	}
	return kilobytes << 10
}

// BenchmarkLists has subscribers with fifty users each, of ten thousand. Two thousand users change every second.
func BenchmarkLists(b *testing.B) {
	const users, listed, changes, perRequest, seconds = 10_000, 50, 2000, 20, 8
	t := startSubject(b)
	tokens, err := newTokens()
	if err != nil {
		b.Fatal(err)
	}
	requests := make([]string, subscribers)
	for i := range requests {
		list := make([]string, listed)
		for j := range list {
			list[j] = strconv.Quote(user((i*7919 + j*j*104_729) % users))
		}
		body := `{"users":[` + strings.Join(list, ",") + `]}`
		requests[i] = fmt.Sprintf("POST /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\n%sContent-Length: %d\r\n\r\n%s", authorization(b), len(body), body)
	}
	a := &audience{t, connect(b, orders{Port: t.port, Count: subscribers, Requests: requests, Ready: "event: ready\nid: 0\ndata: {\"revision\":0}\n\n", Numbered: true})}
	before := a.tally()
	began := time.Now()
	for i := range seconds * changes / perRequest {
		time.Sleep(time.Until(began.Add(time.Duration(i) * perRequest * time.Second / changes)))
		var names []string
		number := a.number
		for range perRequest {
			names = append(names, user(a.mark()*7%users))
		}
		t.send(b, put(tokens, number, names...))
	}
	elapsed := time.Since(began)
	time.Sleep(time.Second)
	after := a.tally()
	deliveries, p99 := after.since(before)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(a.number)/elapsed.Seconds(), "changes/s")
	b.ReportMetric(float64(deliveries)/elapsed.Seconds(), "deliveries/s")
	b.ReportMetric(float64(p99.Milliseconds()), "p99-ms")
	if p99 >= time.Second || elapsed.Seconds() > 1.05*seconds {
		b.Errorf("99 of 100 deliveries took up to %v, %d changes took %v", p99, a.number, elapsed)
	}
}

// BenchmarkStalledSubscriber compares how long deliveries take when somebody has stopped reading, and when nobody has.
func BenchmarkStalledSubscriber(b *testing.B) {
	const rounds, rate = 9, 5
	t := startSubject(b)
	tokens, err := newTokens()
	if err != nil {
		b.Fatal(err)
	}
	var list []string
	for i := range 100 {
		list = append(list, "user="+user(i))
	}
	t.request = func(number int) string { return put(tokens, number, user(number%100)) }
	a := &audience{t, connect(b, orders{
		Port: t.port, Count: subscribers, Requests: []string{get("/v1/events?"+strings.Join(list, "&"), authorization(b))}, Ready: "event: ready\nid: 0\ndata: {\"revision\":0}\n\n",
	})}
	var alone, beside []float64
	a.publishAt(b, rate, time.Second) // warm up
	for range rounds {
		changeOthers(b, t)
		p99, _ := a.publishAt(b, rate, 2*time.Second)
		alone = append(alone, float64(p99))
		stalled := stall(b, t)
		p99, _ = a.publishAt(b, rate, 2*time.Second)
		beside = append(beside, float64(p99))
		_ = stalled.Close()
	}
	ratio := bench.Median(beside) / bench.Median(alone)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(bench.Median(alone)/1e6, "p99-ms")
	b.ReportMetric(bench.Median(beside)/1e6, "p99-ms-beside-stalled")
	b.ReportMetric(ratio, "ratio")
	if ratio > 1.1 {
		b.Errorf("beside a stalled subscriber 99 of 100 deliveries take up to %.2f times as long", ratio)
	}
}

// stall subscribes to everybody, and does not read: there is more for it than all buffers hold when it returns.
func stall(b *testing.B, t *target) net.Conn {
	b.Helper()
	conn, err := net.Dial("tcp4", "127.0.0.1:"+strconv.Itoa(t.port))
	if err != nil {
		b.Fatal(err)
	}
	_ = conn.(*net.TCPConn).SetReadBuffer(4096)
	if _, err := fmt.Fprint(conn, get("/v1/events", authorization(b))); err != nil {
		b.Fatal(err)
	}
	changeOthers(b, t)
	return conn
}

// changeOthers changes users in nobody's list: some 4 MB for whoever is told of everybody.
func changeOthers(b *testing.B, t *target) {
	b.Helper()
	tokens, err := newTokens()
	if err != nil {
		b.Fatal(err)
	}
	for i := range 200 {
		var names []string
		for j := range 50 {
			names = append(names, user(1000+(i*50+j)%5000))
		}
		t.send(b, put(tokens, time.Now().Nanosecond()%1e8, names...))
	}
}
