package freeport

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// askVariable makes the test's binary print whether it could reserve a port.
const askVariable = "PRESENCE_TEST_ASK_PORT"

// TestAPortIsKept: nobody else gets a port, in this process or another, until the test ends that has taken it.
func TestAPortIsKept(t *testing.T) {
	if port, err := strconv.Atoi(os.Getenv(askVariable)); err == nil {
		fmt.Printf("reserved %t\n", reserve(t, port))
		return
	}
	got := func(port int) bool {
		other := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestAPortIsKept$")
		other.Env = append(os.Environ(), fmt.Sprintf("%s=%d", askVariable, port))
		output, err := other.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, output)
		}
		return strings.Contains(string(output), "reserved true")
	}
	port := 0
	t.Run("while the test runs", func(t *testing.T) {
		port = Take(t)
		if reserve(t, port) {
			t.Error("this process gets it again")
		}
		if got(port) {
			t.Error("another process gets it")
		}
		if port < lowest || port >= lowest+number || !free(port) {
			t.Errorf("port %d cannot be used", port)
		}
	})
	if !got(port) {
		t.Error("nobody gets it afterwards")
	}
}

// TestATakenPort: a port on which something listens is not free.
func TestATakenPort(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if free(listener.Addr().(*net.TCPAddr).Port) {
		t.Error("it is free")
	}
}
