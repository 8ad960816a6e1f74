package clock

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestOf(t *testing.T) {
	now := time.Now()
	ctx, cancel := context.WithDeadline(context.Background(), now.Add(time.Minute))
	defer cancel()
	deadline, _ := ctx.Deadline()
	require.Equal(t, Of(now)+int64(time.Minute), Of(deadline))
	require.GreaterOrEqual(t, Now(), Of(now))

	// A time without the reading that no setting moves is as good as its date.
	plain := time.Unix(1_700_000_000, 5)
	require.Equal(t, plain.UnixNano(), Of(plain))
}
