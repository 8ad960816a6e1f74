package cluster

// View is the ring as this node sees it, for who watches.
type View struct {
	Self       string
	Nodes      []string
	Epoch      uint32 // counts the changes of the ring
	Converging bool   // it has changed a moment ago: nodes may disagree about who owns a key
	Left       bool   // this node stops, and has left it
	Overdue    bool   // etcd has not renewed this node's lease in time: the others may take it for gone
	Paused     bool   // the process stood still until a moment ago
	Past       []Past // the rings before, the latest first
	Parked     int    // bytes of pushes that wait for the node of their key
	Forwards   int    // bytes of requests that wait to be sent on
	Fetches    int    // keys that are being fetched from other nodes, or wait for that
	Offers     int    // keys that other nodes have offered, and that are being fetched
}

// Past is a ring that was.
type Past struct {
	Nodes []string
	Ended int64 // Unix nanoseconds of package clock
}

// View returns it.
func (c *Cluster) View() View {
	now := c.view.Load()
	v := View{
		Self: c.Self(), Nodes: now.ring.Nodes(), Epoch: now.epoch, Converging: c.Converging(), Left: c.Left(),
		Overdue: c.Lease != nil && c.Lease.Overdue(), Paused: c.pauses.gate.Load() != nil,
		Parked: c.Parked.Waiting(), Forwards: c.Nodes.Waiting(),
	}
	for i := len(now.past) - 1; i >= 0; i-- {
		v.Past = append(v.Past, Past{now.past[i].Nodes(), now.ended[i]})
	}
	running, waiting := c.fetches.Load()
	v.Fetches = running + waiting
	running, waiting = c.offers.Load()
	v.Offers = running + waiting
	return v
}

// Now is the time by which Past.Ended is told, Unix nanoseconds.
func (c *Cluster) Now() int64 { return c.now() }
