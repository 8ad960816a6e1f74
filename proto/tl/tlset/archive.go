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
	texts, err := Texts(archive)
	if err != nil {
		return nil, err
	}
	header := []byte(headerWord + release + " layers ")
	for _, text := range texts {
		if bytes.HasPrefix(text, header) {
			return slices.Clone(text), nil
		}
	}
	return nil, fmt.Errorf("table set %s: %w", release, ErrNotThere)
}

// headerWord begins the first line of each text form, and no other.
const headerWord = "tlset "

// Texts returns the text forms of all sets in an archive, or in the packed form of one, in their order. They share their
// memory.
func Texts(archive []byte) (texts [][]byte, err error) {
	all, err := Unpack(archive)
	if err != nil {
		return nil, err
	}
	for len(all) > 0 {
		end := len(all)
		if i := bytes.Index(all, []byte("\n"+headerWord)); i >= 0 {
			end = i + 1
		}
		texts, all = append(texts, all[:end:end]), all[end:]
	}
	return texts, nil
}
