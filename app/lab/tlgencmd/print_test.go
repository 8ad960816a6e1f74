package tlgencmd

import (
	"cmp"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/lab/tlgencmd/protofile"
	"github.com/tgsession/tgsession/proto/tl/tlset"
)

// parseAll parses files that a test holds in memory.
func parseAll(t *testing.T, files map[string]string) map[string]*protofile.File {
	t.Helper()
	out := map[string]*protofile.File{}
	for name, text := range files {
		f, err := protofile.Parse([]byte(text))
		require.NoError(t, err, name)
		out[name] = f
	}
	return out
}

// printTL writes the schema file of one layer: what the set writes for it, under the names the public schemas use.
func printTL(set *tlset.Set, layer int) string {
	long := map[string]string{}
	for name, short := range shortened {
		long[short] = name
	}
	var b strings.Builder
	fmt.Fprintf(&b, "// LAYER %d\n", layer)
	line := func(name string, id uint32, generic string, params []tlset.Param, result string) {
		fmt.Fprintf(&b, "%s#%x%s", name, id, generic)
		for _, p := range params {
			fmt.Fprintf(&b, " %s:%s", p.Name, strings.ReplaceAll(p.Type, "%TL_", ""))
		}
		fmt.Fprintf(&b, " = %s;\n", result)
	}
	for _, c := range set.Constructors {
		if name := c.Predicate; c.Layers.Contains(layer) {
			line(cmp.Or(long[name], name), c.ID, "", c.Params, c.Type)
		}
	}
	b.WriteString("---functions---\n")
	for _, m := range set.Methods {
		generic := ""
		if m.Result == "X" {
			generic = " {X:Type}"
		}
		if m.Layers.Contains(layer) {
			line(m.Name, m.ID, generic, m.Params, m.Result)
		}
	}
	return b.String()
}
