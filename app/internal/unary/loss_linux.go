package unary

import (
	"os"
	"syscall"
	"time"
)

const (
	// lostAfter is how long a peer's host may leave what was sent to it
	// unacknowledged, as rpcclient.NoticeLoss has it.
	lostAfter = 10 * time.Second
	// tcpUserTimeout is TCP_USER_TIMEOUT, which package syscall does not have.
	tcpUserTimeout = 0x12
)

// noticeLoss has the kernel give up a connection whose peer has vanished.
func noticeLoss(_, _ string, raw syscall.RawConn) error {
	var failed error
	err := raw.Control(func(fd uintptr) {
		failed = os.NewSyscallError("setsockopt", syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout, int(lostAfter.Milliseconds())))
	})
	if err != nil {
		return err
	}
	return failed
}
