// Package pause waits for a while that a context may end.
package pause

import (
	"context"
	"time"
)

// For waits for d, at once when it is not above zero. The error is ctx's, which ended
// first.
func For(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
