// Package fanout_test measures how the live feed reaches ten thousand subscribers, beside a bare broadcaster and beside nchan. The servers, and the
// clients of each, are processes of their own: this test's program started again in another role.
package fanout_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// roles are what this program is when the benchmarks start it again.
var roles = map[string]func() error{
	"subject": runSubject,
	"ruled":   runRuled,
	"grouped": runGrouped,
	"both":    func() error { return runWithRules(withGroup) },
	"bare":    runBare,
	"readers": runReaders,
}

const roleVariable = "FANOUT_ROLE"

func TestMain(m *testing.M) {
	if role, ok := roles[os.Getenv(roleVariable)]; ok {
		if err := role(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child is a process in another role. It ends when its input does.
type child struct {
	*exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// play starts a process in a role. It is told to end after the benchmark.
func play(b *testing.B, role string, variables ...string) *child {
	b.Helper()
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	c := &child{Cmd: exec.Command(self)}
	c.Env = append(append(os.Environ(), roleVariable+"="+role), variables...)
	c.Stderr = os.Stderr
	if c.in, err = c.StdinPipe(); err != nil {
		b.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	c.out = bufio.NewReader(out)
	if err := c.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = c.in.Close()
		if err := c.Wait(); err != nil {
			b.Errorf("%s: %v", role, err)
		}
	})
	return c
}

// line reads what a process says.
func (c *child) line(b *testing.B) string {
	b.Helper()
	text, err := c.out.ReadString('\n')
	if err != nil {
		b.Fatalf("%s said nothing: %v", c.Env[len(c.Env)-1], err)
	}
	return strings.TrimSuffix(text, "\n")
}

// untilEnd returns when the benchmark wants this process to end.
func untilEnd() { _, _ = io.Copy(io.Discard, os.Stdin) }
