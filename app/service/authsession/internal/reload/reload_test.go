package reload

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/logx"
)

func TestMain(m *testing.M) {
	logx.Disable()
	m.Run()
}

// A file that changes is read again; one that cannot be used leaves what was.
func TestFilesAreReadAgain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	write := func(text string) { require.NoError(t, os.WriteFile(file, []byte(text), 0o600)) }
	write("one")
	now := time.Unix(1000, 0)
	reads := 0
	v, err := New([]string{file}, func() time.Time { return now }, func() (string, error) {
		reads++
		text, err := os.ReadFile(file)
		if string(text) == "bad" {
			err = errors.New("bad")
		}
		return string(text), err
	})
	require.NoError(t, err)
	write("three")
	require.Equal(t, "one", v.Get(), "looked at a moment ago")
	now = now.Add(time.Second)
	require.Equal(t, "three", v.Get())
	now = now.Add(time.Second)
	require.Equal(t, "three", v.Get())
	require.Equal(t, 2, reads, "only when it has changed")
	write("bad")
	now = now.Add(time.Second)
	require.Equal(t, "three", v.Get())
	require.NoError(t, os.Remove(file))
	now = now.Add(time.Second)
	require.Equal(t, "three", v.Get(), "a file that is gone")
	write("at last")
	now = now.Add(time.Second)
	require.Equal(t, "at last", v.Get())

	_, err = New([]string{file}, time.Now, func() (string, error) { return "", errors.New("bad") })
	require.EqualError(t, err, "bad")
}
