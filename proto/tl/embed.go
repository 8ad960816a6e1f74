package tl

import (
	"cmp"
	"embed"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/tgsession/tgsession/proto/tl/tlset"
)

//go:generate sh -c "go run ./tlgen pack -o schema schema/*.tls"

// Default is the release that is loaded when none is named.
const Default = "0.223.1"

//go:embed schema/*.tls.zst schema/older.zst
var shipped embed.FS

// older are the releases in schema/older.zst, newest first. "lab tlgen" has made their sets from the .proto files of
// github.com/teamgram/proto (CONTRIBUTING.md has the commands), and tlgen archive has packed them as one, for they differ in
// little. Each ends at the last layer of its release, though the TL schema that it was made with goes on to 223.
var older = []string{
	"0.221.0", "0.220.4", "0.220.2", "0.220.0", "0.219.0", "0.218.0", "0.217.0", "0.216.0", "0.215.0",
	"0.214.0", "0.213.0", "0.212.0", "0.211.0", "0.208.0", "0.207.0", "0.206.0", "0.205.0",
}

// sameAs has the releases that share the table set of another one, and that one: the texts that "lab tlgen" makes of the two
// differ in their first line alone.
var sameAs = map[string]string{
	"0.223.0": "0.222.3", "0.222.2": "0.222.3", "0.222.1": "0.222.3", "0.222.0": "0.222.3",
	"0.220.3": "0.220.2", "0.220.1": "0.220.0", "0.209.0": "0.208.0",
}

// Releases lists the releases that have a shipped table set, newest first.
func Releases() []string {
	out := slices.Concat([]string{Default, "0.222.3"}, older, slices.Collect(maps.Keys(sameAs)))
	slices.Sort(out) // all numbers have three digits
	slices.Reverse(out)
	return out
}

// Load compiles the shipped table set of a release. Several releases may share one, which then has the name of one of
// them.
func Load(release string) (*Schema, error) {
	set, err := ReadSet(release)
	if err != nil {
		return nil, err
	}
	return Compile(set)
}

// Open compiles the table set in a file: the text form of package tlset, packed or not.
func Open(path string) (*Schema, error) {
	set, err := OpenSet(path)
	if err != nil {
		return nil, err
	}
	return Compile(set)
}

// ReadSet returns a shipped table set as data, for tools that want its names.
func ReadSet(release string) (*tlset.Set, error) {
	if !slices.Contains(Releases(), release) {
		return nil, fmt.Errorf("tl: no table set %q is shipped; there are %s", release, strings.Join(Releases(), ", "))
	}
	release = cmp.Or(sameAs[release], release)
	name := "schema/" + release + ".tls.zst"
	packed := slices.Contains(older, release)
	if packed {
		name = "schema/older.zst"
	}
	file, err := shipped.ReadFile(name)
	if err == nil && packed {
		file, err = tlset.Extract(file, release)
	}
	if err != nil {
		return nil, fmt.Errorf("tl: %w", err)
	}
	return parseSet(file)
}

// OpenSet returns the table set of a file as data.
func OpenSet(path string) (*tlset.Set, error) {
	file, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("tl: %w", err)
	}
	return parseSet(file)
}

func parseSet(file []byte) (*tlset.Set, error) {
	text, err := tlset.Unpack(file)
	if err != nil {
		return nil, fmt.Errorf("tl: %w", err)
	}
	set, err := tlset.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("tl: %w", err)
	}
	return set, nil
}
