package tcpproxy

import (
	"fmt"
	"sync"
	"syscall"
)

// reservation is a loopback port that nobody else is given: a socket is bound
// to it that does not listen, beside which one that does may come and go.
type reservation struct {
	addr string
	fd   int
	once sync.Once
}

func reserve() (*reservation, error) {
	syscall.ForkLock.RLock() // no child inherits the socket
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, err
	}
	r := &reservation{fd: fd}
	if err := r.bind(); err != nil {
		r.free()
		return nil, err
	}
	return r, nil
}

func (r *reservation) bind() error {
	if err := syscall.SetsockoptInt(r.fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		return err
	}
	if err := syscall.Bind(r.fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return err
	}
	name, err := syscall.Getsockname(r.fd)
	if err != nil {
		return err
	}
	at, ok := name.(*syscall.SockaddrInet4)
	if !ok {
		return fmt.Errorf("bound to %T", name)
	}
	r.addr = fmt.Sprintf("127.0.0.1:%d", at.Port)
	return nil
}

func (r *reservation) free() { r.once.Do(func() { _ = syscall.Close(r.fd) }) }
