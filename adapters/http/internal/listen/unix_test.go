package listen_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/zarafa/presence/adapters/http/internal/listen"
)

func open(t *testing.T, path string, mode uint32) (net.Listener, error) {
	t.Helper()
	return listen.Open(t.Context(), listen.Address{Network: listen.Unix, Name: path}, mode)
}

func opened(t *testing.T, path string, mode uint32) net.Listener {
	t.Helper()
	listener, err := open(t, path, mode)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return listener
}

// abandoned makes a socket as a daemon leaves it that was killed.
func abandoned(t *testing.T, path string) {
	t.Helper()
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	listener.(*net.UnixListener).SetUnlinkOnClose(false)
	_ = listener.Close()
}

// The socket has its mode, whatever the umask, and is gone when it is closed.
func TestModeAndRemoval(t *testing.T) {
	for _, umask := range []int{0, 0o077} {
		old := syscall.Umask(umask)
		path := filepath.Join(t.TempDir(), "http.sock")
		listener := opened(t, path, 0o660)
		syscall.Umask(old)
		info, err := os.Stat(path)
		if err != nil || info.Mode() != os.ModeSocket|0o660 {
			t.Errorf("umask %o: %v, %v", umask, info.Mode(), err)
		}
		if err := listener.Close(); err != nil {
			t.Error(err)
		}
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("after closing: %v", err)
		}
	}
}

func TestASocketOfADeadDaemonIsReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "http.sock")
	abandoned(t, path)
	opened(t, path, 0o660)
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
}

func TestASocketOfALivingDaemonIsTaken(t *testing.T) {
	path := filepath.Join(t.TempDir(), "http.sock")
	first := opened(t, path, 0o660)
	if _, err := open(t, path, 0o660); !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), path+" is taken by another program") {
		t.Errorf("a second one: %v", err)
	}
	_ = first
	if conn, err := net.Dial("unix", path); err != nil {
		t.Errorf("the first one: %v", err)
	} else {
		_ = conn.Close()
	}
}

func TestWhatIsNoSocketIsRefused(t *testing.T) {
	dir := t.TempDir()
	file, folder, link := filepath.Join(dir, "file"), filepath.Join(dir, "folder"), filepath.Join(dir, "link")
	if err := errors.Join(os.WriteFile(file, []byte("precious"), 0o600), os.Mkdir(folder, 0o700), os.Symlink(file, link)); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, folder, link} {
		if _, err := open(t, path, 0o660); err == nil || !strings.Contains(err.Error(), "is no socket") {
			t.Errorf("%s: %v", path, err)
		}
	}
	if text, err := os.ReadFile(file); string(text) != "precious" {
		t.Errorf("the file holds %q, %v", text, err)
	}
	if _, err := open(t, filepath.Join(dir, "missing", "http.sock"), 0o660); err == nil || !strings.Contains(err.Error(), "missing does not exist") {
		t.Errorf("in a missing folder: %v", err)
	}
}

// Closing leaves the socket alone that another daemon has made in the same place, after somebody had removed ours.
func TestAnotherDaemonsSocketIsNotRemoved(t *testing.T) {
	path := filepath.Join(t.TempDir(), "http.sock")
	first := opened(t, path, 0o660)
	if err := os.Rename(path, path+".old"); err != nil {
		t.Fatal(err)
	}
	opened(t, path, 0o660)
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	if conn, err := net.Dial("unix", path); err != nil {
		t.Errorf("the second one: %v", err)
	} else {
		_ = conn.Close()
	}
}

// Of many daemons that find an abandoned socket, one gets it.
func TestManyDaemonsAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "http.sock")
	for range 20 {
		abandoned(t, path)
		var got atomic.Int32
		var all sync.WaitGroup
		var mu sync.Mutex
		var listeners []net.Listener
		for range 8 {
			all.Go(func() {
				listener, err := open(t, path, 0o660)
				if err == nil {
					got.Add(1)
					mu.Lock()
					listeners = append(listeners, listener)
					mu.Unlock()
				} else if !errors.Is(err, syscall.EADDRINUSE) {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if got.Load() != 1 {
			t.Fatalf("%d have it", got.Load())
		}
		if conn, err := net.Dial("unix", path); err != nil {
			t.Fatal(err)
		} else {
			_ = conn.Close()
		}
		_ = listeners[0].Close()
	}
}
