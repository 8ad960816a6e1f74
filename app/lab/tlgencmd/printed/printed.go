// Package printed makes, for tests, what lab tlgen reads: out of a table set the .proto files of its release, and out of the
// module cache the schemas Telegram publishes.
package printed

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tgsession/tgsession/proto/tl/tlset"
)

// Protos returns the .proto files a set could have been made from, by name, shaped like a Teamgram checkout: the enum, the
// messages and the services in files of their own, and a file of another package beside them.
func Protos(set *tlset.Set) map[string]string {
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

// Schemas is the folder of the public schemas in the module cache: telegram.tl of the newest layer and mt.tl of MTProto itself.
func Schemas() (string, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/gotd/td").Output()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(strings.TrimSpace(string(out)), "_schema")
	_, err = os.Stat(dir)
	return dir, err
}
