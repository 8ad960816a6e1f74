package sim

import "time"

// clocks are the clocks of the nodes' machines, as somebody or something sets them. In
// most runs they are right. Message ids, salts and dates are by them; whatever waits
// does so by the time of the run, which goes on evenly.
type clocks struct {
	loose bool             // they are set in this run
	ahead map[string]int64 // nanoseconds, by node; negative: behind
	back  map[string]int64 // when a clock was last set back
	most  int64            // by which one was ahead
	least int64            // the same of those behind: below 0
}

// wall is what the clock of a node says.
func (c *cluster) wall(addr string) int64 { return c.now + c.clocks.ahead[addr] }

// setClock sets the clock of a node: as its keeper of time does when it has drifted, or
// as a virtual machine that was held up, or an operator, may.
func (c *cluster) setClock(addr string) {
	by := pick(c.scheduler, []time.Duration{500 * time.Millisecond, 20 * time.Second, 4 * time.Minute, time.Hour})
	c.setAhead(addr, int64(c.between(-by, by)))
}

func (c *cluster) setAhead(addr string, ahead int64) {
	before := c.clocks.ahead[addr]
	if before == ahead {
		return
	}
	what := "has its clock set forth"
	if ahead < before {
		what = "has its clock set back"
		c.clocks.back[addr] = c.now
	}
	c.note(addr[:8], what, (ahead-before)/1e6)
	c.clocks.ahead[addr] = ahead
	c.clocks.most, c.clocks.least = max(c.clocks.most, ahead), min(c.clocks.least, ahead)
}

// rightClocks sets all clocks right.
func (c *cluster) rightClocks() {
	for _, addr := range c.addrs {
		c.setAhead(addr, 0)
	}
}
