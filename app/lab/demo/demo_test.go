package demo_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"testing"
	"time"

	"github.com/gotd/td/crypto"
	"github.com/gotd/td/tg"
	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/internal/freeport"
	"github.com/tgsession/tgsession/app/internal/leaktest"
	"github.com/tgsession/tgsession/app/lab/demo"
)

func TestMain(m *testing.M) { leaktest.Strict(m) }

// The clients, the tables and the demo BFF speak of one API layer.
func TestLayer(t *testing.T) { require.Equal(t, 223, tg.Layer) }

// A cluster that does not answer: the scenario says where it stopped, leaves
// nothing running, and its clients have logged why.
func TestNobodyThere(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, crypto.RSAKeyBits)
	require.NoError(t, err)

	var log bytes.Buffer
	n, err := demo.Run(context.Background(), demo.Target{
		Addr: freeport.Address(t), Key: &key.PublicKey, DC: 2, Code: "1", StepTimeout: 5 * time.Second, ClientLog: &log,
	}, func(s demo.Step) { t.Errorf("passed: %s", s.Name) })
	require.Zero(t, n)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, "Alice's phone exchanges a permanent key")
	require.Contains(t, log.String(), "connection refused")
}

func TestAddressThatIsNone(t *testing.T) {
	_, err := demo.Run(context.Background(), demo.Target{Addr: "somewhere", DC: 2}, func(demo.Step) {})
	require.ErrorContains(t, err, "address of the gateway")
}
