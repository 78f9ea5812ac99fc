package listen

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// lockWithin is how long another daemon may take that is just making its socket in the same directory.
const lockWithin = time.Second

// socket is a Unix socket that is removed when it is closed.
type socket struct {
	*net.UnixListener
	path   string
	made   fs.FileInfo // what was at path then
	remove sync.Once
}

// openUnix makes a Unix socket. One that a dead daemon has left is replaced.
func openUnix(ctx context.Context, path string, mode uint32) (net.Listener, error) {
	unlock, err := lock(ctx, filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := makeRoom(ctx, path); err != nil {
		return nil, err
	}
	narrow := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) (err error) {
		failed := raw.Control(func(fd uintptr) { err = syscall.Fchmod(int(fd), mode) }) // which bind gives to what it makes, less the umask
		return errors.Join(failed, err)
	}}
	listener, err := narrow.Listen(ctx, Unix, path)
	if errors.Is(err, syscall.EACCES) {
		return nil, fmt.Errorf("this user may not make a socket in %s: %w", filepath.Dir(path), err)
	} else if err != nil {
		return nil, err
	}
	made := &socket{UnixListener: listener.(*net.UnixListener), path: path}
	made.SetUnlinkOnClose(false)
	if made.made, err = os.Lstat(path); err == nil {
		err = os.Chmod(path, os.FileMode(mode))
	}
	if err != nil {
		return nil, errors.Join(err, made.Close())
	}
	return made, nil
}

// Close implements net.Listener. It removes the socket, unless there is another one in its place.
func (s *socket) Close() error {
	err := s.UnixListener.Close()
	s.remove.Do(func() {
		if now, fault := os.Lstat(s.path); fault == nil && os.SameFile(now, s.made) {
			err = errors.Join(err, os.Remove(s.path))
		}
	})
	return err
}

// makeRoom removes a socket that nobody listens on.
func makeRoom(ctx context.Context, path string) error {
	found, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case found.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("%s is there and is no socket; nothing was changed", path)
	}
	conn, err := (&net.Dialer{Timeout: lockWithin}).DialContext(ctx, Unix, path)
	switch {
	case err == nil:
		_ = conn.Close() // it was only tried
	case errors.Is(err, syscall.ECONNREFUSED):
		return os.Remove(path)
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%s is there, and this user may not ask whether somebody listens on it: %w", path, err)
	}
	return fmt.Errorf("%s is taken by another program: %w", path, syscall.EADDRINUSE)
}

// lock keeps two daemons from making a socket in a directory at the same time: one of them would remove the other's.
func lock(ctx context.Context, dir string) (unlock func(), err error) {
	folder, err := os.Open(dir) //nolint:gosec // the administrator says which
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the directory %s does not exist", dir)
	} else if err != nil {
		return nil, err
	}
	deadline := time.Now().Add(lockWithin)
	for {
		err := syscall.Flock(int(folder.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case err == nil:
			return func() { _ = folder.Close() }, nil // which unlocks it
		case !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR), time.Now().After(deadline):
			_ = folder.Close() // it was only read
			return nil, fmt.Errorf("another program keeps %s locked: %w", dir, err)
		}
		select {
		case <-time.After(lockWithin / 100):
		case <-ctx.Done():
			_ = folder.Close() // it was only read
			return nil, ctx.Err()
		}
	}
}
