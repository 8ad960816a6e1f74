package runloop

import "github.com/tgsession/tgsession/app/interface/session/internal/sess"

// others is a cluster of which a test says something.
type others struct {
	unsure *bool // whether this node owns its keys still; nil: it does
	Cluster
	owns       func(int64) bool
	reacquired func(int64, uint32) (uint32, bool)
	epoch      uint32
	converging *bool
	introduce  func(int64, []sess.ConnNew)
	onGap      func(int64)
}

func (o others) Owns(key int64) bool  { return o.owns == nil || o.owns(key) }
func (o others) Keeps(key int64) bool { return o.Owns(key) && (o.unsure == nil || !*o.unsure) }
func (o others) Epoch() uint32        { return o.epoch }
func (o others) Converging() bool     { return o.converging != nil && *o.converging }

func (o others) ReacquiredSince(key int64, epoch uint32) (uint32, bool) {
	if o.reacquired == nil {
		return 0, false
	}
	return o.reacquired(key, epoch)
}

func (o others) Introduce(key int64, sessions []sess.ConnNew) {
	if o.introduce != nil {
		o.introduce(key, sessions)
	}
}

func (o others) OnGap(key int64) {
	if o.onGap != nil {
		o.onGap(key)
	}
}
