package tlgencmd

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/lab/tlgencmd/protofile"
	"github.com/tgsession/tgsession/app/lab/tlgencmd/tltext"
	"github.com/tgsession/tgsession/proto/tl"
	"github.com/tgsession/tgsession/proto/tl/tlset"
)

// Any two files are a set or an error. A set is one that session can load, and it survives its text form.
func FuzzGenerate(f *testing.F) {
	var proto []byte
	for _, name := range []string{"crc32", "sync", "service"} {
		text, err := os.ReadFile(filepath.Join("testdata", "small", "proto", name+".proto"))
		require.NoError(f, err)
		if name != "crc32" { // one file: one syntax and one package
			_, text, _ = bytes.Cut(text, []byte("package mtproto;"))
		}
		proto = append(proto, text...)
	}
	for _, name := range []string{"api", "layer10", "core"} {
		text, err := os.ReadFile(filepath.Join("testdata", "small", name+".tl"))
		require.NoError(f, err)
		f.Add(string(proto), string(text))
	}
	f.Fuzz(func(t *testing.T, proto, schema string) {
		file, err := protofile.Parse([]byte(proto))
		if err != nil {
			return
		}
		s, err := tltext.Parse([]byte(schema))
		if err != nil {
			return
		}
		var rep report
		set, err := generate("fuzz", map[string]*protofile.File{"a.proto": file},
			[]tlFile{{name: "a.tl", layer: max(s.Layer, 1), schema: s}}, &rep)
		if err != nil {
			return
		}
		require.NoError(t, rep.write(&bytes.Buffer{}))
		var text bytes.Buffer
		require.NoError(t, set.WriteText(&text))
		again, err := tlset.Parse(text.Bytes())
		require.NoError(t, err)
		require.Equal(t, set.Hash(), again.Hash())
		_, err = tl.Compile(again)
		require.NoError(t, err)
	})
}
