package tl

import (
	"embed"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/tgsession/tgsession/proto/tl/tlset"
)

//go:generate sh -c "go run ./tlgen pack -o schema schema/*.tls"

// Default is the release that is loaded when none is named.
const Default = "0.223.1"

//go:embed schema/*.tls.zst
var shipped embed.FS

const packedSuffix = ".tls.zst"

// Releases lists the shipped table sets, newest first.
func Releases() []string {
	entries, _ := shipped.ReadDir("schema") // embedded: cannot fail
	var out []string
	for _, e := range entries {
		out = append(out, strings.TrimSuffix(e.Name(), packedSuffix))
	}
	slices.Sort(out)
	slices.Reverse(out)
	return out
}

// Load compiles a shipped table set.
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
	file, err := shipped.ReadFile("schema/" + release + packedSuffix)
	if err != nil {
		return nil, fmt.Errorf("tl: no table set %q is shipped; there are %s", release, strings.Join(Releases(), ", "))
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
