package site

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"github.com/tgsession/tgsession/app/lab/chaos/plan"
)

// diskSize is how much room the file system of a node's logs has: more than a
// run of hours fills.
const diskSize = "size=16m"

// filler is the file that takes all of it.
const filler = "filler"

// mountLogs gives the logs of a node a file system of their own, so that it can
// be full.
func (s *Site) mountLogs(name string, fault plan.Type) {
	dir := s.log(name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		s.skip(err.Error(), fault)
		return
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, diskSize); err != nil {
		s.skip(fmt.Sprintf("no file system can be mounted for the logs: %v", err), fault)
		return
	}
	s.onClose(func() {
		_ = keep(dir)
	})
}

// keep unmounts a file system and leaves its files in its place.
func keep(dir string) error {
	files, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	content := map[string][]byte{}
	for _, f := range files {
		if text, err := os.ReadFile(filepath.Join(dir, f.Name())); err == nil && f.Name() != filler {
			content[f.Name()] = text
		}
	}
	if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
		return err
	}
	var errs []error
	for name, text := range content {
		errs = append(errs, os.WriteFile(filepath.Join(dir, name), text, 0o600))
	}
	return errors.Join(errs...)
}

// fill leaves no room for logs for a while.
func (s *Site) fill(ctx context.Context, f plan.Fault, made func(string)) error {
	n := s.sessions[0]
	if f.Target == plan.AuthDisk {
		n = s.auth[0]
	}
	made(n.Name)
	file := filepath.Join(s.log(n.Name), filler)
	return around(ctx, f.For, func() error { return full(file) }, func() error { return os.Remove(file) })
}

// full writes until there is no room.
func full(file string) error {
	out, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("site: %w", err)
	}
	defer out.Close()
	if _, err := io.Copy(out, zeros{}); !errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("site: %w", err)
	}
	return nil
}

// zeros has no end.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}
