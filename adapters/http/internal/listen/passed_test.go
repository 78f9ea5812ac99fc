package listen

import (
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
)

// TestPassedInVain: what the environment names is not there, or is no socket that can be listened on. It is left as it is: the process itself may use it.
func TestPassedInVain(t *testing.T) {
	t.Setenv("LISTEN_PID", strconv.Itoa(os.Getpid()))
	for n, fault := range map[string]string{"2000": "LISTEN_FDS says that systemd has passed 2000 sockets, and number ", "-1": "", "x": "", "": ""} {
		t.Setenv("LISTEN_FDS", n)
		passed, err := TakePassed()
		if fault == "" && err != nil || fault != "" && (err == nil || !strings.HasPrefix(err.Error(), fault)) || len(passed.HTTP)+len(passed.Admin) > 0 {
			t.Errorf("%q: %v, %v", n, passed, err)
		}
		t.Setenv("LISTEN_PID", strconv.Itoa(os.Getpid())) // who takes them removes it
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0") // the runtime's poller, which has a descriptor, still works
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		if conn, err := net.Dial("tcp", listener.Addr().String()); err == nil {
			_ = conn.Close()
		}
	}()
	conn, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	_ = listener.Close()
}
