package http_test

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/zarafa/presence/internal/bench"
	"github.com/zarafa/presence/internal/freeport"
)

// redis is a Redis that appends every write to a file, which is synced every second.
type redis struct{ addr net.Addr }

// startRedis starts one on a directory of its own, and returns when it answers. It ends with the benchmark.
func startRedis(b *testing.B) redis {
	b.Helper()
	port := freeport.Take(b)
	r := redis{addr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}}
	dir := b.TempDir()
	log := filepath.Join(dir, "redis.log")
	command := exec.Command("/usr/bin/redis-server", "--bind", "127.0.0.1", "--port", strconv.Itoa(port), "--dir", dir, "--logfile", log,
		"--appendonly", "yes", "--appendfsync", "everysec", "--save", "")
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // it must not outlive this process
	if err := command.Start(); err != nil {
		b.Fatalf("%v: scripts/install-test-packages installs it", err)
	}
	b.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGTERM)
		if err := command.Wait(); err != nil {
			b.Errorf("redis-server: %v", err)
		}
	})
	deadline := time.Now().Add(10 * time.Second)
	for {
		err := r.ask("+PONG\r\n", "PING")
		if err == nil {
			return r
		}
		if time.Now().After(deadline) {
			said, _ := os.ReadFile(log)
			b.Fatalf("redis-server does not answer: %v\n%s", err, said)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// ask sends one command, on a connection of its own, and compares the reply.
func (r redis) ask(want string, words ...string) error {
	c, err := net.DialTimeout("tcp", r.addr.String(), time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Second))
	if _, err := io.WriteString(c, resp(words...)); err != nil {
		return err
	}
	reply := make([]byte, len(want))
	if n, err := io.ReadFull(c, reply); err != nil {
		return fmt.Errorf("%s: the reply ends after %q: %w", words[0], reply[:n], err)
	}
	if string(reply) != want {
		return fmt.Errorf("%s: the reply is %q, want %q", words[0], reply, want)
	}
	return nil
}

// resp renders a command in Redis's protocol (RESP 2): an array of bulk strings.
func resp(words ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(words))
	for _, word := range words {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(word), word)
	}
	return b.String()
}

// get returns a load of clients. Each asks for a user of its own, which record is kept for.
func (r redis) get(b *testing.B, record string) bench.Load {
	b.Helper()
	for i := range durableClients {
		if err := r.ask("+OK\r\n", "SET", user(i), record); err != nil {
			b.Fatal(err)
		}
	}
	size := fmt.Sprintf("$%d\r\n", len(record))
	return closedLoop(b, durableClients, r.addr, func(client int) string { return resp("GET", user(client)) }, func([]byte) {},
		success{begin: size, size: len(size) + len(record) + len("\r\n")})
}

// set returns a load of clients that set records. next makes of what ends with a client's last record the next one, and
// returns where the user's id is in it, which is the name under which the record is kept. All ids are of the same length.
func (r redis) set(b *testing.B, record func(client int) string, next func(request []byte) (user []byte)) bench.Load {
	b.Helper()
	name := string(next([]byte(record(0))))
	request := func(client int) string { return resp("SET", name, record(client)) }
	at := strings.Index(request(0), name)
	vary := func(request []byte) { copy(request[at:], next(request[:len(request)-len("\r\n")])) }
	return closedLoop(b, durableClients, r.addr, request, vary,
		success{begin: "+OK\r\n", size: len("+OK\r\n")})
}
