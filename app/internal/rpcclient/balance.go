package rpcclient

import (
	"cmp"

	"google.golang.org/grpc/balancer"
)

const (
	// goZeroBalancer is what go-zero's clients have when their configuration names
	// none.
	goZeroBalancer = "p2c_ewma"
	// loneBalancer is goZeroBalancer, which picks nothing where there is one address.
	loneBalancer = "p2c_ewma_of_many"
)

func init() { balancer.Register(loneBuilder{}) }

// Balancer is the BalancerName of a client whose configuration has name. go-zero's own
// weighs addresses by their load and answers: two looks at the clock, a lock and
// floating point for each call, though a peer with one address leaves no choice.
func Balancer(name string) string {
	if cmp.Or(name, goZeroBalancer) == goZeroBalancer {
		return loneBalancer
	}
	return name
}

type loneBuilder struct{}

// Name implements balancer.Builder.
func (loneBuilder) Name() string { return loneBalancer }

// Build implements balancer.Builder.
func (loneBuilder) Build(cc balancer.ClientConn, o balancer.BuildOptions) balancer.Balancer {
	c := &loneConn{ClientConn: cc}
	return &lone{Balancer: balancer.Get(goZeroBalancer).Build(c, o), conn: c}
}

// lone tells its connection how many addresses there are.
type lone struct {
	balancer.Balancer
	conn *loneConn
}

// UpdateClientConnState implements balancer.Balancer.
func (l *lone) UpdateClientConnState(s balancer.ClientConnState) error {
	l.conn.lone = len(s.ResolverState.Addresses) == 1
	return l.Balancer.UpdateClientConnState(s)
}

// loneConn puts a picker of its own in the place of the balancer's. gRPC calls a
// balancer, which calls this, one after the other.
type loneConn struct {
	balancer.ClientConn
	lone bool
}

// UpdateState implements balancer.ClientConn.
func (c *loneConn) UpdateState(s balancer.State) {
	if c.lone {
		if pick, err := s.Picker.Pick(balancer.PickInfo{}); err == nil {
			if pick.Done != nil {
				pick.Done(balancer.DoneInfo{})
			}
			s.Picker = lonePicker{balancer.PickResult{SubConn: pick.SubConn}}
		}
	}
	c.ClientConn.UpdateState(s)
}

// lonePicker picks the only one there is.
type lonePicker struct{ result balancer.PickResult }

// Pick implements balancer.Picker.
func (p lonePicker) Pick(balancer.PickInfo) (balancer.PickResult, error) { return p.result, nil }
