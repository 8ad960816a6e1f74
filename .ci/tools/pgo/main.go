// Command pgo cleans a CPU profile for a repository: it takes out where on which machine
// the program lay that was profiled. `make pgo` calls it.
//
//	pgo FROM TO
package main

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path"

	"google.golang.org/protobuf/encoding/protowire"
)

// most is how large a profile may be in the repository, bytes.
const most = 200_000

// strings is string_table of message Profile (github.com/google/pprof, profile.proto).
const stringTable protowire.Number = 6

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: pgo FROM TO")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "pgo:", err)
		os.Exit(1)
	}
}

func run(from, to string) error {
	packed, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	profile, err := io.ReadAll(z)
	if err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	clean, err := cleaned(profile)
	if err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	var out bytes.Buffer
	w, _ := gzip.NewWriterLevel(&out, gzip.BestCompression) // the level is valid
	if _, err := w.Write(clean); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	if out.Len() > most {
		return fmt.Errorf("%d bytes, at most %d are kept", out.Len(), most)
	}
	return os.WriteFile(to, out.Bytes(), 0o644)
}

// cleaned is a profile in which each absolute path is its last element. Sources have none
// where the program was built with -trimpath; the program itself has one.
func cleaned(profile []byte) (out []byte, err error) {
	for len(profile) > 0 {
		field, kind, n := protowire.ConsumeTag(profile)
		if n < 0 {
			return nil, errors.New("this is no profile")
		}
		m := protowire.ConsumeFieldValue(field, kind, profile[n:])
		if m < 0 {
			return nil, errors.New("this is no profile")
		}
		if field == stringTable && kind == protowire.BytesType {
			if v, _ := protowire.ConsumeBytes(profile[n:]); path.IsAbs(string(v)) {
				out = protowire.AppendString(protowire.AppendTag(out, field, kind), path.Base(string(v)))
				profile = profile[n+m:]
				continue
			}
		}
		out = append(out, profile[:n+m]...)
		profile = profile[n+m:]
	}
	return out, nil
}
