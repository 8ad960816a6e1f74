package buffers

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSizes(t *testing.T) {
	p := new(pool)
	require.Equal(t, 64<<10, sizeOf(0))
	require.Equal(t, 16<<20, sizeOf(len(p.free)-1))
	for i := range p.free {
		size := sizeOf(i)
		require.Equal(t, i, above(size), "%d", size)
		require.Equal(t, i+1, above(size+1), "%d", size)
		if i > 0 {
			require.LessOrEqual(t, 4*size, 5*sizeOf(i-1), "of a buffer a fifth stays empty")
		}
	}
	for _, size := range []int{0, 1, Smallest - 1, Smallest, 1<<20 + 14, 16 << 20, 16<<20 + 1, 64 << 20} {
		b := p.Get(size)
		require.Len(t, *b, size)
		p.Put(b)
	}
}

// Buffers that were cut, or come from elsewhere, are not handed out as what they are not.
func TestWhatIsKept(t *testing.T) {
	p := new(pool)
	cut := p.Get(100 << 10)
	*cut = (*cut)[:10:10]
	p.Put(cut)
	foreign := make([]byte, 10, 100_000)
	p.Put(&foreign)
	p.Put(new([]byte))
	for range 3 {
		require.Len(t, *p.Get(100 << 10), 100<<10)
	}
}

// A buffer is one user's at a time.
func TestBuffersAreNotShared(t *testing.T) {
	p := new(pool)
	var wg sync.WaitGroup
	for i := range byte(8) {
		wg.Go(func() {
			for range 200 {
				b := p.Get(Smallest + int(i)*1000)
				for k := range *b {
					(*b)[k] = i
				}
				for _, v := range *b {
					if v != i {
						t.Error("another's")
						return
					}
				}
				p.Put(b)
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
