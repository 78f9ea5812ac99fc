package http_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zarafa/presence/adapters/http"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/bench"
)

// connections is how many clients ask at the same time.
const connections = 32

// storedUsers is how many users the store has. A request asks for some of them.
const storedUsers = 50_000

func BenchmarkGetOneUser(b *testing.B) {
	r := populated(b)
	compare(b, 0.85, r, func(client int) string { return request("GET", r.body(mark, entry(client))) })
}

// BenchmarkGetOneUserOverTLS compares the server with itself, without TLS. The clients encrypt as well, on the same cores. It has no floor.
func BenchmarkGetOneUserOverTLS(b *testing.B) {
	e := startTLS(b)
	e.knows(b, mark, spreed, domain.Available, "feeling chatty..")
	plain := startWith(b, localConfig(), e.core)
	get := func(int) string { return request("GET", e.body(mark, `{"user_id":"markd@zarafa.com"}`)) }
	var conns []net.Conn
	for range connections {
		c := e.dial(b, e.client())
		_ = c.SetDeadline(time.Time{})
		conns = append(conns, c)
	}
	strict := len("Strict-Transport-Security: " + hstsHeader + "\r\n")
	want := success{begin: "HTTP/1.1 200 ", size: responseSize(b, plain.Addr(), []byte(get(0))) + strict}
	bench.Compare(b, 0, load(b, plain.Addr(), get, func([]byte) {}), over(b, conns, get, func([]byte) {}, want))
}

// BenchmarkV1GetOneUser is BenchmarkGetOneUser on API v1: a bearer token, and a tag with each answer.
func BenchmarkV1GetOneUser(b *testing.B) {
	r := populated(b)
	token := r.tokens.Issue(mark)
	compare(b, 0.7, r, func(client int) string {
		return fmt.Sprintf("GET /v1/users/%s HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %s\r\n\r\n", user(storedUsers/2+client), token) // whose revisions have as many digits
	})
}

// BenchmarkGetThousandUsers has all clients ask about the same users, out of many, as the pages of one organisation do. Nobody
// changes meanwhile, so it shows what an answer costs that the server has kept.
func BenchmarkGetThousandUsers(b *testing.B) {
	r := populated(b)
	compare(b, 0.5, r, thousand(r))
}

// BenchmarkGetThousandUsersWhileOneChanges is the same while one of them changes a thousand times a second, and the answer with it.
// It has no floor.
func BenchmarkGetThousandUsersWhileOneChanges(b *testing.B) {
	r := populated(b)
	request := thousand(r)
	done := make(chan struct{})
	var changing sync.WaitGroup
	defer changing.Wait()
	defer close(done)
	changing.Go(func() {
		again := time.NewTicker(time.Millisecond)
		defer again.Stop()
		for n := 0; ; n++ {
			select {
			case <-done:
				return
			case <-again.C: // the length must stay
				r.knows(b, domain.UserID(user(0)), spreed, domain.Available, fmt.Sprintf("feeling chatty%02d", n%100))
			}
		}
	})
	compare(b, 0, r, request)
}

// BenchmarkGetThousandOtherUsers never repeats a list: each request is read, looked up and answered from the start. It has no floor.
func BenchmarkGetThousandOtherUsers(b *testing.B) {
	r := populated(b)
	var lists atomic.Int64
	compareVarying(b, 0, r, thousand(r), func(request []byte) {
		n := lists.Add(1)
		for at := len(request); n > 0; n /= 1000 { // a number in front of each of the last users' @: all of these users are there
			at = bytes.LastIndexByte(request[:at], '@')
			copy(request[at-3:at], fmt.Sprintf("%03d", n%1000))
		}
	})
}

// thousand returns the request of any client about a thousand users.
func thousand(r *running) func(int) string {
	all := make([]string, 1000)
	for i := range all {
		all[i] = entry(i * 104_729 % storedUsers) // not in the order in which they were stored
	}
	get := request("GET", r.body(mark, strings.Join(all, ",")))
	return func(int) string { return get }
}

func BenchmarkPutOneUser(b *testing.B) {
	r := populated(b)
	put := func(client int) string {
		return request("PUT", r.body(domain.UserID(user(client)),
			fmt.Sprintf(`{"user_id":%q,"spreed":{"status":"available","message":"feeling chatty.."}}`, user(client))))
	}
	compare(b, 0.65, r, put) // the core has a journal in memory, which takes a goroutine and an entry for each group
}

func user(i int) string { return fmt.Sprintf("user%06d@example.test", i) }

func entry(i int) string { return fmt.Sprintf(`{"user_id":%q}`, user(i)) }

// populated returns a server whose store knows many users on two protocols.
func populated(b *testing.B) *running {
	b.Helper()
	r := start(b)
	for i := range storedUsers {
		r.knows(b, domain.UserID(user(i)), spreed, domain.Available, "feeling chatty..")
		r.knows(b, domain.UserID(user(i)), xmpp, domain.Away, "")
	}
	return r
}

func request(method, body string) string {
	return fmt.Sprintf("%s / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", method, len(body), body)
}

// compare measures requests to the service against the same requests to a bare Fiber handler, which reads the body and
// returns a constant that makes the whole response as long as the service's.
func compare(b *testing.B, floor float64, r *running, request func(client int) string) {
	b.Helper()
	compareVarying(b, floor, r, request, func([]byte) {})
}

// compareVarying is compare with a function that makes another request of the one before, of the same length and with an answer of the
// same length.
func compareVarying(b *testing.B, floor float64, r *running, request func(client int) string, vary func(request []byte)) {
	b.Helper()
	first := raw(b, r.Server, request(0))
	if first.status != 200 {
		b.Fatalf("status %d: %s", first.status, first.body)
	}
	bare := http.NewBare(localConfig(), []byte(first.body))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	bare.Server().MaxIdleWorkerDuration = 100 * time.Millisecond // or fasthttp's pool would outlive the benchmark by ten seconds
	go func() { _ = bare.Listener(listener) }()
	b.Cleanup(func() { _ = bare.Shutdown() })
	bench.Compare(b, floor, load(b, listener.Addr(), request, vary), load(b, r.Addr(), request, vary))
}

// load returns a load of requests over as many connections as there are clients. It keeps them.
func load(b *testing.B, server net.Addr, request func(client int) string, vary func([]byte)) bench.Load {
	b.Helper()
	return loadOf(b, connections, server, request, vary)
}

func loadOf(b *testing.B, clients int, server net.Addr, request func(client int) string, vary func([]byte)) bench.Load {
	b.Helper()
	return closedLoop(b, clients, server, request, vary, success{begin: "HTTP/1.1 200 ", size: responseSize(b, server, []byte(request(0)))})
}

// success is what the answer to a request that succeeds looks like.
type success struct {
	begin string
	size  int // in bytes
}

// closedLoop returns a load over as many connections as there are clients. Each has one request under way at a time. Every answer must be
// like want.
func closedLoop(b *testing.B, clients int, server net.Addr, request func(client int) string, vary func([]byte), want success) bench.Load {
	b.Helper()
	var conns []net.Conn
	for range clients {
		c, err := net.Dial("tcp", server.String())
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = c.Close() })
		conns = append(conns, c)
	}
	return over(b, conns, request, vary, want)
}

// over is closedLoop with connections that are there.
func over(b *testing.B, conns []net.Conn, request func(client int) string, vary func([]byte), want success) bench.Load {
	b.Helper()
	var requests [][]byte
	for i := range conns {
		requests = append(requests, []byte(request(i)))
	}
	return func(stop func() bool) int {
		var all sync.WaitGroup
		counts := make([]int, len(conns))
		for i, c := range conns {
			all.Go(func() { counts[i] = exchange(b, c, requests[i], want, vary, stop) })
		}
		all.Wait()
		total := 0
		for _, n := range counts {
			total += n
		}
		return total
	}
}

// exchange sends a request and reads its answer, until stop says so.
func exchange(b *testing.B, c net.Conn, request []byte, want success, vary func([]byte), stop func() bool) (n int) {
	response := make([]byte, want.size)
	for ; !stop(); n++ {
		vary(request)
		if _, err := c.Write(request); err != nil {
			b.Error(err)
			return n
		}
		if _, err := io.ReadFull(c, response); err != nil {
			b.Error(err)
			return n
		}
		if string(response[:len(want.begin)]) != want.begin {
			b.Errorf("%s", response)
			return n
		}
	}
	return n
}

// responseSize sends a request once, on a connection of its own, and finds out how long its response is.
func responseSize(b *testing.B, server net.Addr, request []byte) int {
	b.Helper()
	c, err := net.Dial("tcp", server.String())
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write(request); err != nil {
		b.Fatal(err)
	}
	var response []byte
	buffer := make([]byte, 64<<10)
	for {
		n, err := c.Read(buffer)
		if err != nil {
			b.Fatal(err)
		}
		response = append(response, buffer[:n]...)
		header, body, found := bytes.Cut(response, []byte("\r\n\r\n"))
		if !found {
			continue
		}
		var length int
		for line := range strings.Lines(string(header)) {
			if _, err := fmt.Sscanf(line, "Content-Length: %d", &length); err == nil {
				break
			}
		}
		if len(body) == length {
			return len(response)
		}
	}
}
