package bench

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

// usage is what a Go process has used since its start, as Prometheus clients
// export it.
type usage struct {
	known   bool
	cpu     time.Duration
	mallocs float64
	bytes   float64
}

func (u usage) since(before usage) usage {
	return usage{known: u.known, cpu: u.cpu - before.cpu, mallocs: u.mallocs - before.mallocs, bytes: u.bytes - before.bytes}
}

// readUsage asks a process for it; without a URL nothing is known.
func readUsage(ctx context.Context, url string) (usage, error) {
	if url == "" {
		return usage{}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return usage{}, fmt.Errorf("bench: metrics: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return usage{}, fmt.Errorf("bench: metrics: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return usage{}, fmt.Errorf("bench: metrics: %s answered %s", url, resp.Status)
	}
	return parseUsage(io.LimitReader(resp.Body, 4<<20))
}

func parseUsage(text io.Reader) (u usage, err error) {
	lines := bufio.NewScanner(text)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), " ")
		v, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		if err != nil {
			continue // a comment, or a sample with labels in it
		}
		switch name {
		case "process_cpu_seconds_total":
			u.known, u.cpu = true, time.Duration(v*float64(time.Second))
		case "go_memstats_mallocs_total":
			u.mallocs = v
		case "go_memstats_alloc_bytes_total":
			u.bytes = v
		}
	}
	return u, lines.Err()
}
