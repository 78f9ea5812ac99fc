package events_test

import "syscall"

type syscallConn = syscall.RawConn

// smallBuffer makes a client's receive buffer as small as it gets, so that one who does not read is noticed.
func smallBuffer(raw syscall.RawConn, small bool) (err error) {
	if !small {
		return nil
	}
	if failed := raw.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4096) }); failed != nil {
		return failed
	}
	return err
}
