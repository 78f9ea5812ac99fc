package fanout_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/zarafa/presence/adapters/http"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/bench"
	"github.com/zarafa/presence/internal/coretest"
)

// These benchmarks have streams that follow a large group, beside streams that list its members by their ids.

const (
	members   = 10_000 // of the group, as many as a request may ask for
	followers = 200    // streams
)

// runGrouped is the role of a daemon with a group. With each SIGUSR2 one member leaves it, or comes back.
func runGrouped() error { return runDaemon(&domain.Visibility{}, withGroup) }

func withGroup(core *coretest.Core, server *http.Server) error {
	var tables [2]*domain.Identities
	for i := range tables {
		records := make([]domain.Identity, members)
		for j := range records {
			records[j] = domain.Identity{User: user(j), Groups: []string{"wall"}}
		}
		records[0].Groups = records[0].Groups[:1-i]
		var err error
		if tables[i], err = domain.NewIdentities(records); err != nil {
			return err
		}
	}
	core.Identities.Replace(tables[0])
	core.Directory.Regroup()
	changes := make(chan os.Signal, 1)
	signal.Notify(changes, syscall.SIGUSR2)
	go func() {
		for i := 1; ; i++ {
			<-changes
			core.Identities.Replace(tables[i%2])
			core.Directory.Regroup()
			server.Regroup([]string{"wall"})
		}
	}()
	return nil
}

// startGrouped starts the daemon, and has all members known.
func startGrouped(b *testing.B, role string) *target {
	b.Helper()
	t := startDaemon(b, role)
	tokens, err := newTokens()
	if err != nil {
		b.Fatal(err)
	}
	for first := 0; first < members; first += 500 {
		var names []string
		for i := range 500 {
			names = append(names, user(first+i))
		}
		t.send(b, put(tokens, 50_000_000, names...)) // numbers that no event has later
	}
	t.request = func(number int) string { return put(tokens, number, user(number%members)) }
	return t
}

// byGroup and byID ask for a stream.
func byGroup(b *testing.B) string { return get("/v1/events?group=wall", authorization(b)) }

func byID(b *testing.B, count int) string {
	list := make([]string, count)
	for i := range list {
		list[i] = strconv.Quote(user(i))
	}
	body := `{"users":[` + strings.Join(list, ",") + `]}`
	return fmt.Sprintf("POST /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\n%sContent-Length: %d\r\n\r\n%s", authorization(b), len(body), body)
}

// open opens a stream, which has told everything when it returns.
func (t *target) open(b *testing.B, request string) (stream net.Conn) {
	conn, err := net.Dial("tcp4", "127.0.0.1:"+strconv.Itoa(t.port))
	if err != nil {
		b.Error(err)
		return nil
	}
	if _, err := io.WriteString(conn, request); err != nil {
		b.Error(err)
	}
	awaitReady(b, conn)
	return conn
}

// awaitReady reads a stream up to an event that says that everything was told. It returns how many bytes that were.
func awaitReady(b *testing.B, conn net.Conn) (size int) {
	_ = conn.SetReadDeadline(time.Now().Add(2 * time.Minute))
	lines := bufio.NewReaderSize(conn, 64<<10)
	for {
		line, err := lines.ReadSlice('\n')
		if size += len(line); err != nil {
			b.Error(err)
			return size
		}
		if bytes.HasPrefix(line, []byte(`data: {"revision"`)) {
			_, _ = lines.Discard(1)
			return size + 1
		}
	}
}

// forgetPeak has the kernel begin anew to look for the most memory that a process has (VmHWM; proc(5), clear_refs).
func (c *child) forgetPeak(b *testing.B) {
	b.Helper()
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", c.Process.Pid), []byte("5"), 0); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkOpenGroup opens streams about the group, one after the other.
func BenchmarkOpenGroup(b *testing.B) {
	t := startGrouped(b, "grouped")
	opening := func(request string) bench.Load {
		return func(stop func() bool) (opened int) {
			for ; !stop() && !b.Failed(); opened++ {
				_ = t.open(b, request).Close()
			}
			return opened
		}
	}
	bench.Compare(b, 1.1, opening(byID(b, members)), opening(byGroup(b)))
}

// BenchmarkChangesOfGroup has members change, and followers told of it.
func BenchmarkChangesOfGroup(b *testing.B) {
	listing, grouped := startGrouped(b, "grouped"), startGrouped(b, "grouped")
	follow := func(t *target, request string) *audience {
		return &audience{t, connect(b, orders{Port: t.port, Count: followers, Requests: []string{request}, Ready: "event: ready", Numbered: true})}
	}
	bench.Compare(b, 0.9, follow(listing, byID(b, members)).closedLoop(b), follow(grouped, byGroup(b)).closedLoop(b))
}

// BenchmarkChangesOfGroupWithRules compares a daemon with ten rules with one without. Each follower is another user.
func BenchmarkChangesOfGroupWithRules(b *testing.B) {
	tokens, err := newTokens()
	if err != nil {
		b.Fatal(err)
	}
	requests := make([]string, followers)
	for i := range requests {
		requests[i] = get("/v1/events?group=wall", "Authorization: Bearer "+tokens.Issue(domain.UserID(viewer(i)))+"\r\n")
	}
	follow := func(role string) bench.Load {
		t := startGrouped(b, role)
		a := &audience{t, connect(b, orders{Port: t.port, Count: followers, Requests: requests, Ready: "event: ready", Numbered: true})}
		return a.closedLoop(b)
	}
	free, ruled := follow("grouped"), follow("both")
	bench.Compare(b, 0.8, free, ruled)
}

// BenchmarkIdleGroup measures the memory of the daemon for each idle stream about the group, and beside it for one that lists as many users.
func BenchmarkIdleGroup(b *testing.B) {
	const most = 24 << 10 // bytes
	each := func(request string) float64 {
		t := startGrouped(b, "grouped")
		o := orders{Port: t.port, Count: 20, Requests: []string{request}, Ready: "event: ready"}
		connect(b, o)
		before := t.process.resident(b)
		o.Count = followers
		connect(b, o)
		return float64(t.process.resident(b)-before) / followers
	}
	group, list := each(byGroup(b)), each(byID(b, members))
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(group, "B/stream")
	b.ReportMetric(list, "B/stream-of-ids")
	if group > most {
		b.Errorf("a stream takes %.0f bytes, more than %d", group, most)
	}
}

// BenchmarkRegrouping has one member leave the group, and come back: each follower is told everything anew. Beside it the streams are opened.
func BenchmarkRegrouping(b *testing.B) {
	t := startGrouped(b, "grouped")
	request := byGroup(b)
	streams := make([]net.Conn, followers)
	var opened, told, peaks []float64
	size := 0
	together := func(do func(i int)) float64 {
		began := time.Now()
		var running sync.WaitGroup
		for i := range streams {
			running.Go(func() { do(i) })
		}
		running.Wait()
		return time.Since(began).Seconds()
	}
	for range 5 {
		opened = append(opened, together(func(i int) { streams[i] = t.open(b, request) }))
		before := t.process.resident(b)
		t.process.forgetPeak(b)
		if err := t.process.Process.Signal(syscall.SIGUSR2); err != nil {
			b.Fatal(err)
		}
		told = append(told, together(func(i int) {
			if n := awaitReady(b, streams[i]); i == 0 {
				size = n
			}
		}))
		peaks = append(peaks, float64(t.process.memory(b, "VmHWM:")-before)/followers)
		for _, conn := range streams {
			_ = conn.Close()
		}
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(size), "B/stream")
	b.ReportMetric(bench.Median(opened), "s/opening")
	b.ReportMetric(bench.Median(told), "s/regrouping")
	b.ReportMetric(bench.Median(peaks), "peak-B/stream")
	ratio := bench.Median(told) / bench.Median(opened)
	b.ReportMetric(ratio, "ratio")
	if ratio > 1.5 {
		b.Errorf("to tell followers everything anew takes %.2f times as long as to open their streams", ratio)
	}
}
