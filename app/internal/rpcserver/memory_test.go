package rpcserver

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestContainerLimit(t *testing.T) {
	const machine = 1000
	none := errors.New("there is none")
	for name, c := range map[string]struct {
		container            uint64
		noContainer, unknown error
		want                 int64
	}{
		"no container":               {noContainer: none},
		"a container without limit":  {container: 1<<63 - 4096},
		"as much as the machine has": {container: machine},
		"a limit":                    {container: 500, want: 450},
		"a machine of unknown size":  {container: 500, unknown: none},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, containerLimit(
				func() (uint64, error) { return c.container, c.noContainer },
				func() (uint64, error) { return machine, c.unknown },
			))
		})
	}
}
