package tlgencmd

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/tgsession/tgsession/app/lab/tlgencmd/protofile"
	"github.com/tgsession/tgsession/app/lab/tlgencmd/tltext"
	"github.com/tgsession/tgsession/proto/tl/tlset"
)

const usage = `usage: lab tlgen --proto DIR --tl FILE... [--base SET] --release NAME -o OUT

Builds the table set of a Teamgram release, so that session can serve it.

  --proto DIR     the release's .proto files: a checkout of its proto repository, or the
                  folder in it that has the enum TLConstructor
  --tl FILE...    TL schema files as Telegram publishes them, one for each client layer to
                  serve. The layer is told by a comment "// LAYER 223", else by the number
                  in the file's name. A file without a layer (the schema of MTProto itself)
                  holds what is the same in every layer.
  --base SET      a shipped release (0.223.1) or a table-set file, which serves for the
                  schemas of all the layers it has and that no FILE covers. So a new
                  release takes one FILE: the schema of its newest layer. A release that
                  is older than SET takes the schema of the newest layer of SET.
                  The set made ends at the last layer of the release all the same.
  --release NAME  the name that session logs, such as 0.223.1
  -o OUT          the file to write; it is packed with zstd when it ends in .zst

What could not be mapped is counted and listed on the standard output. Then name the file
in session.yaml:

  Schema: /etc/teamgram/0.224.0.tls

and compare the hash that this command prints with the one that session logs when it starts:
the two are equal when session loaded this file. The hash covers the fields of the messages
in the .proto files, and nothing of the TL files.

Exit code: 0 when the set was written, whatever is listed; 1 when there is no set; 2 for
wrong arguments.
`

// Exit codes.
const (
	exitOK = iota
	exitFailure
	exitUsage
)

// Run is the command with the arguments behind "lab tlgen". It returns the exit code.
func Run(args []string, stdout, stderr io.Writer) int {
	o, err := parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, usage)
		return exitOK
	case err != nil:
		fmt.Fprintf(stderr, "lab tlgen: %v\n\n%s", err, usage)
		return exitUsage
	}
	if err := o.run(stdout); err != nil {
		fmt.Fprintf(stderr, "lab tlgen: %v\n", err)
		return exitFailure
	}
	return exitOK
}

type options struct {
	proto, release, out, base string
	tl                        []string
}

// parse reads the arguments. Words that belong to no flag are TL files, so that a shell may expand --tl schema/*.tl.
func parse(args []string) (*options, error) {
	var o options
	fs := flag.NewFlagSet("tlgen", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.StringVar(&o.proto, "proto", "", "")
	fs.Func("tl", "", func(name string) error {
		o.tl = append(o.tl, name)
		return nil
	})
	fs.StringVar(&o.release, "release", "", "")
	fs.StringVar(&o.out, "o", "", "")
	fs.StringVar(&o.base, "base", "", "")
	for {
		if err := fs.Parse(args); err != nil {
			return nil, err
		}
		if fs.NArg() == 0 {
			break
		}
		o.tl = append(o.tl, fs.Arg(0))
		args = fs.Args()[1:]
	}
	switch {
	case o.proto == "":
		return nil, errors.New("--proto is missing")
	case len(o.tl) == 0:
		return nil, errors.New("--tl is missing")
	case o.release == "" || strings.ContainsAny(o.release, " \t\r\n"):
		return nil, errors.New("--release wants a name without spaces")
	case o.out == "":
		return nil, errors.New("-o is missing")
	}
	return &o, nil
}

func (o *options) run(stdout io.Writer) error {
	protos, err := readProtos(o.proto)
	if err != nil {
		return err
	}
	schemas, err := readSchemas(o.tl)
	if err != nil {
		return err
	}
	if o.base != "" {
		base, err := readBase(o.base)
		if err != nil {
			return err
		}
		schemas = append(fromSet(base, schemas), schemas...)
	}
	var rep report
	set, err := generate(o.release, protos, schemas, &rep)
	if err != nil {
		return err
	}
	if err := save(o.out, set); err != nil {
		return err
	}
	return rep.write(stdout)
}

// readProtos reads the .proto files below a folder; their names are relative to it.
func readProtos(dir string) (map[string]*protofile.File, error) {
	files := map[string]*protofile.File{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() && path != dir && strings.HasPrefix(e.Name(), ".") {
			return fs.SkipDir
		}
		if e.IsDir() || filepath.Ext(path) != ".proto" {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		file, err := protofile.Parse(text)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		name, err := filepath.Rel(dir, path)
		files[name] = file
		return err
	})
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("%s: no .proto files", dir)
	}
	return files, err
}

func readSchemas(names []string) ([]tlFile, error) {
	var out []tlFile
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		schema, err := tltext.Parse(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		out = append(out, tlFile{name: filepath.Base(name), layer: layerOf(name, schema), schema: schema})
	}
	return out, nil
}

// save writes the set beside its place and moves it there, so that no half a set is ever loaded.
func save(name string, set *tlset.Set) error {
	var text bytes.Buffer
	if err := set.WriteText(&text); err != nil {
		return err
	}
	file := text.Bytes()
	if filepath.Ext(name) == ".zst" {
		var err error
		if file, err = tlset.Pack(file); err != nil {
			return err
		}
	}
	if err := os.WriteFile(name+".new", file, 0o644); err != nil {
		return err
	}
	return os.Rename(name+".new", name)
}
