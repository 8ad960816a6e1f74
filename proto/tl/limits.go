package tl

// Limits of one call. What is read is bounded by the input; what is written is bounded in proportion to it, because the
// largest thing that one byte of input can name is a constant of the table set (Expansion is tested to hold for the
// shipped sets), and by MaxOutput.
const (
	// MaxDepth is how deep objects may nest; the outermost has depth 1.
	MaxDepth = 32
	// MaxInput bounds what a call reads, in bytes.
	MaxInput = 64 << 20
	// MaxOutput bounds what a call appends, in bytes.
	MaxOutput = 64 << 20
	// Expansion bounds the output of a call as a multiple of its input, beyond the first 256 bytes of output.
	Expansion = 64

	maxString = 1<<24 - 1 // longest TL string
)
