package dao

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/lang"

	"github.com/tgsession/tgsession/app/service/authsession/internal/config"
	"github.com/tgsession/tgsession/app/service/authsession/internal/testenv"
)

// go-zero's pool is 64 connections of a minute's life, whatever is configured.
func TestWeakness68ThePoolIsAsConfigured(t *testing.T) {
	db, err := OpenMysql(t.Context(), config.Mysql{DSN: testenv.DSN(t, false), Active: 7, Idle: 3, IdleTimeout: time.Hour}, false)
	require.NoError(t, err)
	defer db.Close()
	require.Equal(t, 7, db.Stats().MaxOpenConnections)
	var conns []interface{ Close() error }
	for range 7 {
		c, err := db.Conn(t.Context())
		require.NoError(t, err)
		conns = append(conns, c)
	}
	for _, c := range conns {
		require.NoError(t, c.Close())
	}
	require.Equal(t, 3, db.Stats().Idle)
}

// go-zero's log shows a statement's arguments by what they say of themselves.
func TestWeakness13SecretsDoNotShow(t *testing.T) {
	s := secret("hidden")
	for _, text := range []string{fmt.Sprint(s), fmt.Sprintf("%v %+v %s %q", s, s, s, s), lang.Repr(s)} {
		require.NotContains(t, text, "hidden")
	}
}

func TestWeakness62ReplicasAreReportedAsUnused(t *testing.T) {
	c := config.Config{Mysql: config.Mysql{ReadDSN: []string{"x"}}}
	require.Len(t, c.Unused(), 1)
	require.Contains(t, c.Unused()[0], "Mysql.ReadDSN")
	require.Empty(t, (&config.Config{}).Unused())
}

func TestJudgeBind(t *testing.T) {
	perm, temp, media := bindRow{ID: 1, Perm: 1}, bindRow{ID: 2, Type: Temporary}, bindRow{ID: 3, Type: MediaTemporary}
	bound := bindRow{ID: 2, Type: Temporary, Perm: 9}
	same := bindRow{ID: 2, Type: Temporary, Perm: 1}
	for name, tc := range map[string]struct {
		rows       []bindRow
		perm, temp int64
		column     string
		err        error
	}{
		"temp key":        {[]bindRow{perm, temp}, 1, 2, "temp_auth_key_id", nil},
		"media key":       {[]bindRow{perm, media}, 1, 3, "media_temp_auth_key_id", nil},
		"again":           {[]bindRow{perm, same}, 1, 2, "temp_auth_key_id", nil},
		"bound elsewhere": {[]bindRow{perm, bound}, 1, 2, "", ErrAlreadyBound},
		"two perm keys":   {[]bindRow{perm, {ID: 4, Perm: 4}}, 1, 4, "", ErrNotTemporary},
		"itself":          {[]bindRow{perm}, 1, 1, "", ErrNotTemporary},
		"to a temp key":   {[]bindRow{temp, media}, 2, 3, "", ErrNotPermanent},
		"unknown temp":    {[]bindRow{perm}, 1, 2, "", ErrUnknownKey},
		"unknown perm":    {[]bindRow{temp}, 1, 2, "", ErrUnknownKey},
	} {
		t.Run(name, func(t *testing.T) {
			column, err := judgeBind(tc.rows, tc.perm, tc.temp)
			require.Equal(t, tc.column, column)
			require.ErrorIs(t, err, tc.err)
		})
	}
}
