// Package usage reads what a Go process has used since its start, from its
// Prometheus metrics.
package usage

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Usage is what a Go process has used since its start, as Prometheus clients
// export it.
type Usage struct {
	Known   bool
	CPU     time.Duration // in steps of 10 ms
	Mallocs float64       // allocations
	Bytes   float64       // that were allocated
}

// Since is what has been used since before.
func (u Usage) Since(before Usage) Usage {
	return Usage{Known: u.Known, CPU: u.CPU - before.CPU, Mallocs: u.Mallocs - before.Mallocs, Bytes: u.Bytes - before.Bytes}
}

// Read asks a process for it, at the URL of its metrics; without one nothing is
// known. It waits 5 s at most.
func Read(ctx context.Context, url string) (Usage, error) {
	if url == "" {
		return Usage{}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return Usage{}, fmt.Errorf("usage: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return Usage{}, fmt.Errorf("usage: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return Usage{}, fmt.Errorf("usage: %s answered %s", url, resp.Status)
	}
	return parse(io.LimitReader(resp.Body, 4<<20))
}

func parse(text io.Reader) (u Usage, err error) {
	lines := bufio.NewScanner(text)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), " ")
		v, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		if err != nil {
			continue // a comment, or a sample with labels in it
		}
		switch name {
		case "process_cpu_seconds_total":
			u.Known, u.CPU = true, time.Duration(v*float64(time.Second))
		case "go_memstats_mallocs_total":
			u.Mallocs = v
		case "go_memstats_alloc_bytes_total":
			u.Bytes = v
		}
	}
	return u, lines.Err()
}
