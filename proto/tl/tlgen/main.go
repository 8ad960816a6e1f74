// Command tlgen maintains the table sets that package tl ships. The set of another release is made from its .proto files
// with "lab tlgen" (app/lab/tlgencmd).
//
//	tlgen import -release 0.223.1 -dir DIR [-suffix .222] -o FILE   text form from tab-separated fact tables
//	tlgen fmt FILE...                                               rewrites text forms in normal order
//	tlgen pack -o DIR FILE...                                       packs text forms for embedding (go generate)
//	tlgen archive -o FILE FILE...                                   packs several text forms, newest first, as one
//	tlgen extract -o DIR [-release 0.217.0] FILE...                 unpacks what pack or archive made, one RELEASE.tls a set
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/tgsession/tgsession/proto/tl/tlset"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "tlgen:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("want a command: import, fmt, pack, archive or extract")
	}
	fs := flag.NewFlagSet(args[0], flag.ContinueOnError)
	release := fs.String("release", "", "name of the release; extract: empty for all")
	dir := fs.String("dir", ".", "folder of the fact tables")
	suffix := fs.String("suffix", "", "infix of the tables' names, as .222 in types.222.tsv")
	out := fs.String("o", "", "file or folder to write")
	if err := fs.Parse(args[1:]); err != nil {
		return err
	}
	switch args[0] {
	case "import":
		set, err := importTables(*dir, *suffix, *release)
		if err != nil {
			return err
		}
		return write(*out, set)
	case "fmt":
		for _, name := range fs.Args() {
			set, _, err := read(name)
			if err != nil {
				return err
			}
			if err := write(name, set); err != nil {
				return err
			}
		}
		return nil
	case "extract":
		return extract(*out, *release, fs.Args())
	case "archive":
		return archive(*out, fs.Args())
	case "pack":
		for _, name := range fs.Args() {
			_, text, err := read(name)
			if err != nil {
				return err
			}
			packed, err := tlset.Pack(text)
			if err != nil {
				return err
			}
			to := filepath.Join(*out, filepath.Base(name)+".zst")
			if err := os.WriteFile(to, packed, 0o644); err != nil {
				return err
			}
		}
		return nil
	}
	return fmt.Errorf("unknown command %q", args[0])
}

// archive packs the text forms of files, in normal order, as one.
func archive(to string, files []string) error {
	texts := make([][]byte, len(files))
	for i, name := range files {
		set, _, err := read(name)
		if err != nil {
			return err
		}
		var text bytes.Buffer
		set.Normalise()
		if err := set.WriteText(&text); err != nil {
			return err
		}
		texts[i] = text.Bytes()
	}
	packed, err := tlset.Archive(texts...)
	if err != nil {
		return err
	}
	return os.WriteFile(to, packed, 0o644)
}

// extract writes the text forms that packed files have in them, or that of one release.
func extract(dir, release string, files []string) error {
	found := false
	for _, name := range files {
		packed, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		texts, err := tlset.Texts(packed)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		for _, text := range texts {
			set, err := tlset.Parse(text)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			if release != "" && set.Release != release {
				continue
			}
			found = true
			if err := os.WriteFile(filepath.Join(dir, set.Release+".tls"), text, 0o644); err != nil {
				return err
			}
		}
	}
	if !found {
		return fmt.Errorf("table set %s: %w", release, tlset.ErrNotThere)
	}
	return nil
}

func read(name string) (*tlset.Set, []byte, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, nil, err
	}
	set, err := tlset.Parse(text)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	return set, text, nil
}

func write(name string, set *tlset.Set) error {
	set.Normalise()
	var b bytes.Buffer
	if err := set.WriteText(&b); err != nil {
		return err
	}
	return os.WriteFile(name, b.Bytes(), 0o644)
}
