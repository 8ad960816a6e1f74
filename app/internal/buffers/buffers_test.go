package buffers

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSizes(t *testing.T) {
	list := sizes()
	require.Equal(t, Smallest, list[0])
	for i, size := range list[1:] {
		require.LessOrEqual(t, 4*size, 5*list[i], "of a buffer a fifth stays empty")
	}
	for _, size := range []int{0, 1, Smallest - 1, Smallest, 1<<20 + 14, largest, largest + 1, 4 * largest} {
		b := Pool.Get(size)
		require.Len(t, *b, size)
		if size < Smallest {
			require.Less(t, cap(*b), Smallest, "a short one holds no room of a large one")
		}
		Pool.Put(b)
	}
}

// Buffers that were cut, or come from elsewhere, are not handed out as what they are not.
func TestWhatIsKept(t *testing.T) {
	cut := Pool.Get(100 << 10)
	*cut = (*cut)[:10:10]
	Pool.Put(cut)
	foreign := make([]byte, 10, 100_000)
	Pool.Put(&foreign)
	Pool.Put(new([]byte))
	for range 3 {
		require.Len(t, *Pool.Get(100 << 10), 100<<10)
	}
}

// A buffer is one user's at a time.
func TestBuffersAreNotShared(t *testing.T) {
	var wg sync.WaitGroup
	for i := range byte(8) {
		wg.Go(func() {
			for range 200 {
				b := Pool.Get(Smallest + int(i)*1000)
				for k := range *b {
					(*b)[k] = i
				}
				for _, v := range *b {
					if v != i {
						t.Error("another's")
						return
					}
				}
				Pool.Put(b)
			}
		})
	}
	wg.Wait()
}

func BenchmarkGetPut(b *testing.B) {
	for b.Loop() {
		Pool.Put(Pool.Get(1<<20 + 14))
	}
}

func TestRecycle(t *testing.T) {
	b := []byte("a packet")
	c := Copy(b)
	require.Equal(t, b, c)
	require.Less(t, cap(c), Smallest, "a short one is the garbage collector's")
	Recycle(c)
	Recycle(nil)
	long := make([]byte, 100<<10)
	long[7] = 1
	require.Equal(t, long, Copy(long))
	Recycle(Copy(long))
	Recycle(long[5:]) // not one of Pool
	require.Len(t, *Pool.Get(100 << 10), 100<<10)
}
