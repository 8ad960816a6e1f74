package tlgencmd

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/lab/tlgencmd/protofile"
	"github.com/tgsession/tgsession/proto/tl/tlset"
)

// printProtos writes the .proto files a set could have been made from, shaped like a Teamgram checkout: the enum, the
// messages and the services in files of their own, and a file of another package beside them.
func printProtos(set *tlset.Set) map[string]string {
	const head = "syntax = \"proto3\";\n\npackage mtproto;\n\n"
	files := map[string]string{
		"metadata.proto": "syntax = \"proto3\";\npackage metadata;\nmessage User { map<string, int32> ids = 1; }\n",
	}

	var enum strings.Builder
	enum.WriteString(head + "enum TLConstructor {\n  CRC32_UNKNOWN = 0;\n")
	for _, c := range set.Constructors {
		fmt.Fprintf(&enum, "  CRC32_%s_%08x = %d;\n", c.Predicate, c.ID, int32(c.ID))
	}
	services := map[string]map[string]string{} // service -> rpc -> line
	for _, m := range set.Methods {
		fmt.Fprintf(&enum, "  CRC32_%s_%08x = %d;\n", tlset.MessageName(m.Name), m.ID, int32(m.ID))
		service, rpc, ok := strings.Cut(strings.TrimPrefix(m.Path, "/mtproto."), "/")
		if !ok {
			continue
		}
		if services[service] == nil {
			services[service] = map[string]string{}
		}
		services[service][rpc] = fmt.Sprintf("  rpc %s(%s) returns (%s);\n", rpc, m.Request, replyName(set, m.Result))
	}
	files["crc32.proto"] = enum.String() + "}\n"

	var b strings.Builder
	b.WriteString(head + "import \"google/protobuf/wrappers.proto\";\n\n")
	for i := range set.Messages {
		m := &set.Messages[i]
		fmt.Fprintf(&b, "message %s {\n", m.Name)
		for _, f := range m.AllFields() {
			label := ""
			if f.Repeated {
				label = "repeated "
			}
			fmt.Fprintf(&b, "    %s%s %s = %d;\n", label, protoType(f.Kind), f.Name, f.Number)
		}
		b.WriteString("}\n")
	}
	files["sync.proto"] = b.String()

	b.Reset()
	b.WriteString(head)
	for _, service := range slices.Sorted(maps.Keys(services)) {
		fmt.Fprintf(&b, "service %s {\n", service)
		for _, rpc := range slices.Sorted(maps.Keys(services[service])) {
			b.WriteString(services[service][rpc])
		}
		b.WriteString("}\n")
	}
	files["service.proto"] = b.String()
	return files
}

func protoType(kind string) string {
	if w, ok := strings.CutPrefix(kind, "wrap."); ok {
		return "google.protobuf." + strings.ToUpper(w[:1]) + w[1:] + "Value"
	}
	_, name, ok := strings.Cut(kind, ".")
	if !ok {
		return kind
	}
	return name
}

// replyName is the message of a TL result.
func replyName(set *tlset.Set, result string) string {
	elem, ok := strings.CutPrefix(result, "Vector<")
	if !ok {
		return tlset.MessageName(result)
	}
	kind := map[string]string{"int": "int32", "long": "int64", "string": "string"}[strings.TrimSuffix(elem, ">")]
	if kind == "" {
		kind = "msg." + tlset.MessageName(strings.TrimSuffix(elem, ">"))
	}
	for _, m := range set.Messages {
		if m.Shape == tlset.Vector && m.Fields[0].Kind == kind {
			return m.Name
		}
	}
	panic("no vector of " + kind)
}

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
