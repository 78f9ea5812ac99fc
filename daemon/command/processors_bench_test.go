package command

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zarafa/presence/internal/bench"
)

// BenchmarkOneProcessor has 256 clients put one user each, again and again, into a daemon that has one processor and a store on the disk. The
// reference has no thread to spare (see package processors). The clients are in this process, on all processors.
func BenchmarkOneProcessor(b *testing.B) {
	bench.Compare(b, 2, putsOnOneProcessor(b, "GOMAXPROCS=1"), putsOnOneProcessor(b))
}

// putsOnOneProcessor starts a daemon, and returns the load that its clients are.
func putsOnOneProcessor(b *testing.B, environ ...string) bench.Load {
	b.Helper()
	const clients = 256
	addr := serveOnOneProcessor(b, environ)
	token := strings.TrimSpace(command(secretEnv, "token", "intranet@example.test").stdout)
	conns := make([]net.Conn, clients)
	for i := range conns {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = conn.Close() })
		conns[i] = conn
	}
	turns := make([]int, clients)
	return func(stop func() bool) int {
		var all sync.WaitGroup
		var done atomic.Int64
		for i, conn := range conns {
			all.Go(func() {
				for answers := bufio.NewReader(conn); !stop(); done.Add(1) {
					turns[i]++
					if err := putOnce(conn, answers, token, i, turns[i]); err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
		all.Wait()
		return int(done.Load())
	}
}

func serveOnOneProcessor(b *testing.B, environ []string) (addr string) {
	b.Helper()
	program := exec.Command("taskset", "--cpu-list", "0", os.Args[0], "serve", "--http.listen=127.0.0.1:0", "--http.rate_per_user=0", "--http.max_anonymous_per_address=300",
		"--auth.services=intranet@example.test", "--store.kind=bolt", "--store.dir="+filepath.Join(b.TempDir(), "store"))
	var log output
	program.Env, program.Stderr = append(append(append(environ, asProgram), noConfig...), secretEnv...), &log
	if err := program.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = program.Process.Kill(); _ = program.Wait() })
	for deadline := time.Now().Add(30 * time.Second); !strings.Contains(log.String(), "msg=started"); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.Fatalf("the daemon does not start:\n%s", log.String())
		}
	}
	_, rest, _ := strings.Cut(log.String(), "msg=listening url=http://")
	addr, _, _ = strings.Cut(rest, "/")
	return addr
}

// putOnce has a client's user say something else than before.
func putOnce(conn net.Conn, answers *bufio.Reader, token string, client, turn int) error {
	body := fmt.Sprintf(`{"AuthenticationToken":%q,"Type":"UserStatus","UserStatus":[{"user_id":"user%d@example.test","spreed":{"status":"busy","message":"%d"}}]}`,
		token, client, turn)
	if _, err := fmt.Fprintf(conn, "PUT / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s", len(body), body); err != nil {
		return err
	}
	answer, err := http.ReadResponse(answers, nil)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", answer.Status, text)
	}
	return err
}
