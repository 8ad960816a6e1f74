package tlset

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/klauspost/compress/zstd"
)

// An archive is the text forms of several sets, one after the other, packed as one. Releases differ in a few lines, so
// twenty of them take little more room than one: if the window of the packer sees them all.
const archiveWindow = maxText

// Archive packs the text forms of sets as one file, in their order. It fails if they take more than 32 MiB.
func Archive(texts ...[]byte) ([]byte, error) {
	all := bytes.Join(texts, nil)
	if len(all) > maxText {
		return nil, fmt.Errorf("table sets: %d bytes are more than %d", len(all), maxText)
	}
	e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithWindowSize(archiveWindow), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, fmt.Errorf("table sets: %w", err)
	}
	return e.EncodeAll(all, nil), e.Close()
}

// ErrNotThere says that an archive has no set of a release.
var ErrNotThere = errors.New("the archive has no such release")

// Extract returns the text form of a release in an archive: a copy, so that the others can be collected. It unpacks the
// whole archive, which takes as much memory for a moment. Its error wraps ErrNotThere where the release is not there.
func Extract(archive []byte, release string) ([]byte, error) {
	all, err := Unpack(archive)
	if err != nil {
		return nil, err
	}
	header := []byte("tlset " + release + " layers ")
	start := 0
	if !bytes.HasPrefix(all, header) {
		i := bytes.Index(all, append([]byte("\n"), header...))
		if i < 0 {
			return nil, fmt.Errorf("table set %s: %w", release, ErrNotThere)
		}
		start = i + 1
	}
	text := all[start:]
	if end := bytes.Index(text[len(header):], []byte("\ntlset ")); end >= 0 {
		text = text[:len(header)+end+1]
	}
	return slices.Clone(text), nil
}
