package discovery

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/discov"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
)

// selfSigned writes a certificate and its key.
func selfSigned(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	signed, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	require.NoError(t, err)
	cert, key = filepath.Join(t.TempDir(), "cert"), filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed}), 0o600))
	require.NoError(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600))
	return cert, key
}

func TestAccountAndCertificatesAreUsed(t *testing.T) {
	c := discov.EtcdConf{Hosts: []string{"b:1", "a:1"}, Key: "a.service"}
	conf, err := etcdConfig(c)
	require.NoError(t, err)
	require.Equal(t, []string{"b:1", "a:1"}, conf.Endpoints)
	require.Empty(t, conf.Username)
	require.Nil(t, conf.TLS)

	cert, key := selfSigned(t)
	c.User, c.Pass = "session", "secret"
	c.CertFile, c.CertKeyFile, c.CACertFile, c.InsecureSkipVerify = cert, key, cert, true
	conf, err = etcdConfig(c)
	require.NoError(t, err)
	require.Equal(t, "session", conf.Username)
	require.Equal(t, "secret", conf.Password)
	require.Len(t, conf.TLS.Certificates, 1)
	require.NotNil(t, conf.TLS.RootCAs)
	require.True(t, conf.TLS.InsecureSkipVerify)

	c.CACertFile = "nowhere"
	_, err = etcdConfig(c)
	require.ErrorContains(t, err, "Etcd.CACertFile")
	c.CACertFile = "/dev/zero" // would never end
	_, err = etcdConfig(c)
	require.ErrorContains(t, err, "Etcd.CACertFile: /dev/zero holds more than")
	c.CertFile = "/dev/zero"
	_, err = etcdConfig(c)
	require.ErrorContains(t, err, "Etcd.CertFile: /dev/zero holds more than")
	c.CertFile, c.CertKeyFile = cert, "nowhere"
	_, err = etcdConfig(c)
	require.ErrorContains(t, err, "Etcd.CertFile")
}

func TestErrorsSayWhoIsToBlame(t *testing.T) {
	c := discov.EtcdConf{Hosts: []string{"a:1", "b:1"}, Key: "a.service"}
	for _, away := range []error{nil, context.DeadlineExceeded, rpctypes.ErrTimeout} {
		require.ErrorContains(t, unusable(c, "the list", time.Second, away), "start it or correct Etcd.Hosts")
	}
	require.EqualError(t, unusable(c, "the list", time.Second, rpctypes.ErrPermissionDenied),
		"etcd at a:1, b:1 (Etcd.Hosts) refuses the list of a.service: etcdserver: permission denied")
}

func TestPausesGrowToABound(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var b backoff
	for range 10 {
		require.False(t, b.pause(ctx))
	}
	require.Equal(t, maxPause, b.last)
}
