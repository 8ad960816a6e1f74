package engines

import (
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// follow starts a proxy to whatever address a file holds when a connection is
// made. Connections stay where they are, as behind a virtual address that moves.
func follow(t *testing.T, file string) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var (
		work  sync.WaitGroup
		mu    sync.Mutex
		conns []net.Conn
	)
	keep := func(c net.Conn) {
		mu.Lock()
		defer mu.Unlock()
		conns = append(conns, c)
	}
	work.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", target(file))
			if err != nil {
				client.Close()
				continue
			}
			keep(client)
			keep(server)
			pipe := func(to, from net.Conn) {
				_, _ = io.Copy(to, from)
				to.Close()
				from.Close()
			}
			work.Go(func() { pipe(client, server) })
			work.Go(func() { pipe(server, client) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for _, c := range conns {
			c.Close()
		}
		mu.Unlock()
		work.Wait()
	})
	return l.Addr().String()
}

func target(file string) string {
	text, _ := os.ReadFile(file)
	return strings.TrimSpace(string(text))
}
