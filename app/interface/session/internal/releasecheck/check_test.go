package releasecheck

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/tgsession/tgsession/proto/tl"
)

// config is an encoded answer of help.getConfig, with a field added.
func config(number protowire.Number) []byte {
	pb := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), "config")
	return protowire.AppendVarint(protowire.AppendTag(pb, number, protowire.VarintType), 1)
}

func TestCheck(t *testing.T) {
	s, err := tl.Load(tl.Default)
	require.NoError(t, err)
	date, ok := s.FieldNumber("Config", "date")
	require.True(t, ok)

	t.Run("answers of the release", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c, err := New(s, tl.Default)
			require.NoError(t, err)
			for range looks {
				c.Look("Config", config(protowire.Number(date)))
			}
			require.NotNil(t, c.probe.Load())
			c.Look("Config", config(protowire.Number(date)))
			require.Nil(t, c.probe.Load(), "the round is over")
			c.Look("Config", config(9999))

			time.Sleep(pause)
			synctest.Wait()
			require.NotNil(t, c.probe.Load(), "a BFF may have been upgraded since")
			c.Look("Config", config(9999))
			require.Nil(t, c.probe.Load())
			time.Sleep(2 * pause)
			synctest.Wait()
			require.Nil(t, c.probe.Load(), "it was said")
		})
	})
	t.Run("the table set is another one by now", func(t *testing.T) {
		c, err := New(s, tl.Default)
		require.NoError(t, err)
		c.probe.Store(nil)
		c.source = "0.205.0"
		require.NoError(t, c.begin())
		require.Nil(t, c.probe.Load())
	})
	t.Run("an answer of another release", func(t *testing.T) {
		c, err := New(s, tl.Default)
		require.NoError(t, err)
		c.Look("Config", config(9999))
		require.Nil(t, c.probe.Load(), "found once")
	})
	t.Run("no protobuf at all", func(t *testing.T) {
		c, err := New(s, tl.Default)
		require.NoError(t, err)
		c.Look("Config", []byte{0xff})
		c.Look("NoSuchMessage", nil)
		require.NotNil(t, c.probe.Load())
	})
	t.Run("no such set", func(t *testing.T) {
		_, err := New(s, "/nonexistent")
		require.Error(t, err)
	})
	t.Run("none", func(*testing.T) { (*Check)(nil).Look("Config", nil) })
}
