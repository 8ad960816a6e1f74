package tcpproxy

import (
	"encoding/binary"
	"io"
	"net"
)

// greet passes on what the server says first, and nothing more.
func (p *Proxy) greet(client, server net.Conn) {
	greeting := make([]byte, 4096)
	n, _ := server.Read(greeting)
	_, _ = client.Write(greeting[:n])
}

// hear passes HTTP/2 on to the server, and counts the headers of requests.
func (p *Proxy) hear(client, server net.Conn) {
	defer p.end(client, server)
	const preface, frameHeader, typeHeaders = 24, 9, 1
	in := io.TeeReader(client, server)
	if _, err := io.CopyN(io.Discard, in, preface); err != nil {
		return
	}
	var head [frameHeader]byte
	for {
		if _, err := io.ReadFull(in, head[:]); err != nil {
			return
		}
		length := binary.BigEndian.Uint32(append([]byte{0}, head[:3]...))
		if _, err := io.CopyN(io.Discard, in, int64(length)); err != nil {
			return
		}
		if head[3] == typeHeaders {
			p.mu.Lock()
			p.count(&p.silenced)
			p.mu.Unlock()
		}
	}
}
