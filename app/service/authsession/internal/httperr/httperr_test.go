package httperr_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/service/authsession/internal/httperr"
)

func TestBare(t *testing.T) {
	s := httptest.NewServer(nil)
	s.Close()
	answer, err := http.Get(strings.Replace(s.URL, "http://", "http://hunter2:x@", 1) + "/hunter2?key=hunter2")
	if err == nil {
		answer.Body.Close()
	}
	require.ErrorContains(t, err, "hunter2")
	for _, err := range []error{err, fmt.Errorf("the receiver: %w", err)} {
		bare := httperr.Bare(err)
		require.ErrorIs(t, bare, syscall.ECONNREFUSED)
		require.NotContains(t, bare.Error(), "hunter2")
	}
	require.Equal(t, io.EOF, httperr.Bare(io.EOF))
	require.NoError(t, httperr.Bare(nil))
}
