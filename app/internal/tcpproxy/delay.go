package tcpproxy

import (
	"io"
	"math/rand/v2"
	"net"
	"time"
)

// delays are how long a piece of data is held up.
type delays struct {
	least, most time.Duration                    // in either direction
	stall       func(piece []byte) time.Duration // from clients; may be nil
}

// Delay holds up each piece of data that comes after it by d, in both directions,
// in the place of an earlier Delay or Jitter. 0 ends it, and Restore leaves it alone.
func (p *Proxy) Delay(d time.Duration) { p.delay(d, d) }

// Jitter is Delay by a random time below most for each piece.
func (p *Proxy) Jitter(most time.Duration) { p.delay(0, most) }

func (p *Proxy) delay(least, most time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delays.least, p.delays.most = least, most
}

// Stall makes f say how long each piece of data from clients is held up, beside
// Delay and Jitter. The piece reaches the server then even when its client has
// gone. f is called by each connection, also at once, and does not keep the piece.
func (p *Proxy) Stall(f func(piece []byte) time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delays.stall = f
}

// gate writes while the proxy passes, after the delays.
type gate struct {
	p        *Proxy
	to       net.Conn
	toServer bool
}

func (g gate) Write(piece []byte) (int, error) {
	g.p.mu.Lock()
	d := g.p.delays
	g.p.mu.Unlock()
	wait := d.least
	if d.most > d.least {
		wait += rand.N(d.most - d.least)
	}
	if g.toServer && d.stall != nil {
		wait += d.stall(piece)
	}
	if wait > 0 {
		time.Sleep(wait) //nolint:forbidigo // the delay is what it is for
	}
	for {
		g.p.mu.Lock()
		m, resumed := g.p.mode, g.p.resumed
		g.p.mu.Unlock()
		if m != holding {
			break
		}
		<-resumed
	}
	if g.toServer {
		g.p.requests.Add(1)
	}
	return g.to.Write(piece)
}

// copy passes bytes on until either side ends.
func (p *Proxy) copy(to gate, from net.Conn) {
	defer p.end(to.to, from)
	_, _ = io.Copy(to, from)
}
