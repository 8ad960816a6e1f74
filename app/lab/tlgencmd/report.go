package tlgencmd

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/tgsession/tgsession/proto/tl/tlset"
)

// report collects what happened to each definition.
type report struct {
	protoFiles, tlFiles []string
	set                 *tlset.Set

	unmapped      []string // registered, with a text, and yet not in the set
	unwritten     []string // layers whose version of a constructor the server does not register
	notInTL       []string // registered, without a text
	notRegistered []string // a text, but the server does not register the id
	leftOut       []string // of the .proto files
	bits          []string // flags without a protobuf field
	noRPC         []string
	otherSum      []string
	notes         []string
}

func (r *report) add(list *[]string, format string, args ...any) {
	*list = append(*list, fmt.Sprintf(format, args...))
}

func (r *report) lists() []struct {
	list  []string
	title string
} {
	return []struct {
		list  []string
		title string
	}{
		{r.unmapped, "could not be mapped; calls and objects with these ids are unknown to the set"},
		{r.unwritten, "versions of constructors that are not registered in " + constructors + ", while older ones are; clients of these layers cannot be sent the constructor"},
		{r.notInTL, "registered in " + constructors + ", but in no TL file; add the file that has them if a client may send them"},
		{r.notRegistered, "in the TL files, but not registered in " + constructors + "; the servers do not know them"},
		{r.leftOut, "of the .proto files left out of the set and its hash"},
		{r.bits, "flags without a protobuf field; they are not handed on"},
		{r.noRPC, "methods without an rpc: wrappers, and what the session layer answers itself"},
		{r.otherSum, "ids that are not the CRC-32 of their text; taken as given"},
		{r.notes, "versions that share name and layer with another"},
	}
}

// write prints the counts and, for each that is not zero, the list.
func (r *report) write(out io.Writer) error {
	b := bufio.NewWriter(out)
	fmt.Fprintf(b, "table set %s, layers %d-%d\n", r.set.Release, r.set.MinLayer, r.set.MaxLayer)
	fmt.Fprintf(b, "hash %s\n", r.set.Hash())
	if r.set.MinLayer == r.set.MaxLayer {
		fmt.Fprintf(b, "WARNING: the set has one layer. Clients of all other layers get the constructors of layer %d, which they may not know: name a --base, or the TL files of more layers\n", r.set.MaxLayer)
	}
	fmt.Fprintln(b)
	fmt.Fprintf(b, "%6d .proto files: %s\n", len(r.protoFiles), strings.Join(r.protoFiles, ", "))
	fmt.Fprintf(b, "%6d TL files: %s\n", len(r.tlFiles), strings.Join(r.tlFiles, ", "))
	fmt.Fprintf(b, "%6d messages\n", len(r.set.Messages))
	fmt.Fprintf(b, "%6d constructors\n", len(r.set.Constructors))
	fmt.Fprintf(b, "%6d methods\n", len(r.set.Methods))
	for _, l := range r.lists() {
		fmt.Fprintf(b, "%6d %s\n", len(l.list), l.title)
	}
	for _, l := range r.lists() {
		if len(l.list) == 0 {
			continue
		}
		fmt.Fprintf(b, "\n# %d %s\n", len(l.list), l.title)
		for _, line := range l.list {
			fmt.Fprintf(b, "%s\n", line)
		}
	}
	return b.Flush()
}
