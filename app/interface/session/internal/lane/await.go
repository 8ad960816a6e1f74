package lane

import "context"

// Await returns when idle does, or with ctx's error when ctx is done before; then
// idle is left to itself.
func Await(ctx context.Context, idle func()) error {
	done := make(chan struct{})
	go func() {
		idle()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
