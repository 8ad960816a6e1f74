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
	newest              int // layer of the TL schemas
	next                int // the first layer of the TL schemas that the release lacks; 0: it lacks none

	unmapped      []string // registered, with a text, and yet not in the set
	inTheWay      []string // versions in layer next that the server does not register, while it does older ones
	later         []string // and in later layers
	gaps          []string // versions that the server does not register, while it does newer ones
	early         []string // versions that the server registers, and only layers behind the set have
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
		{r.inTheWay, "versions of constructors that are not registered in " + constructors + ", while older ones are; the set ends before the layer of these"},
		{r.later, "more such versions in later layers"},
		{r.gaps, "versions of constructors that are not registered in " + constructors + ", while newer ones are; clients of these layers cannot be sent the constructor"},
		{r.early, "constructors that are registered in " + constructors + ", but for later layers than the set; they are read, and sent to no client"},
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
	if last := r.set.MaxLayer; r.next == 0 {
		fmt.Fprintf(b, "It ends at layer %d, the newest of the TL schemas. Clients of later layers get the constructors of layer %[1]d.\n", last)
	} else {
		fmt.Fprintf(b, "It ends at layer %d, the TL schemas at %d: %s lacks versions of constructors that layer %d has (listed below: %d), and has older ones. Either the release is older than layer %[4]d, or it lacks these alone. Clients of later layers get the constructors of layer %[1]d.\n",
			last, r.newest, constructors, r.next, len(r.inTheWay))
	}
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
