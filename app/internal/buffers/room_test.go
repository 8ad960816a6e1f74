package buffers

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/mem"
)

func TestShortBytesHaveNoRoom(t *testing.T) {
	b, r := NewRoom(Smallest - 1)
	require.Nil(t, r)
	require.Empty(t, b)
	require.GreaterOrEqual(t, cap(b), Smallest-1)
	r.Hold()
	r.Free()
	r.Free()
	require.Zero(t, r.Holders())
	part := []byte("part")
	require.Equal(t, mem.SliceBuffer(part), r.Buffer(part))
}

// watch has the buffers of one test be those of Watch.
func watch(t *testing.T) {
	before := Pool
	Watch()
	t.Cleanup(func() { watching, smallest, Pool = false, Smallest, before })
}

func TestARoomIsTheLastHolders(t *testing.T) {
	watch(t)
	b, r := NewRoom(10)
	b = append(b, "0123456789"...)
	r.Hold()
	require.Equal(t, 2, r.Holders())
	r.Free()
	require.Equal(t, "0123456789", string(b))
	r.Free()
	require.Equal(t, bytes.Repeat([]byte{garbage}, 10), b, "Watch shows who reads on")
	require.PanicsWithValue(t, "buffers: a room was freed more often than it was held", r.Free)
}

// gRPC holds the room until it has written what lies there.
func TestABufferHoldsItsRoom(t *testing.T) {
	b, r := NewRoom(Smallest)
	part := append(b, make([]byte, Smallest)...)[:2<<10]
	buffer := r.Buffer(part)
	buffer.Ref()
	require.Equal(t, part, buffer.ReadOnlyData())
	r.Free()
	buffer.Free()
	require.Equal(t, 1, r.Holders())
	buffer.Free()
	require.Zero(t, r.Holders())
}

func TestWatch(t *testing.T) {
	watch(t)
	a := Copy([]byte("one"))
	Recycle(a)
	require.Equal(t, bytes.Repeat([]byte{garbage}, 3), a)
	require.Panics(t, func() { Recycle(a) }, "given back twice")
	b := Copy([]byte("two"))
	require.Equal(t, "two", string(a), "it is handed out at once")
	Recycle(b)
	foreign := []byte("foreign")
	Recycle(foreign)
	require.Equal(t, "foreign", string(foreign))
	Recycle(Copy(make([]byte, 1000)))
	Pool.Put(new([]byte))
}
