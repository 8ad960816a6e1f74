package pause

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestFor(t *testing.T) {
	for name, c := range map[string]struct {
		wait, end time.Duration // of ctx; 0: it does not end
		lasts     time.Duration
		err       error
	}{
		"a while":        {wait: time.Minute, lasts: time.Minute},
		"no time":        {},
		"less than none": {wait: -time.Minute},
		"the end of ctx": {wait: time.Minute, end: time.Second, lasts: time.Second, err: context.DeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := t.Context()
				if c.end > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, c.end)
					defer cancel()
				}
				began := time.Now()
				require.ErrorIs(t, For(ctx, c.wait), c.err)
				require.Equal(t, c.lasts, time.Since(began))
			})
		})
	}
}
