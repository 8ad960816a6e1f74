package admin

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tgsession/tgsession/app/service/authsession/internal/sessions"
)

// Who asked for a change whose outcome is not known is told so, and not that
// nothing was done.
func TestAnUnknownOutcomeIsSaid(t *testing.T) {
	err := fault(t.Context(), fmt.Errorf("ending sessions: %w: %w", sessions.ErrUnknown, fmt.Errorf("a secret of the network")))
	require.Equal(t, codes.Unavailable, status.Code(err))
	require.Equal(t, sessions.ErrUnknown.Error(), status.Convert(err).Message())
}
