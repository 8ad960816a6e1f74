package sizing

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// node is a running service, as Linux and its metrics show it.
type node struct {
	name, metrics string
	pid           int
}

// child finds the process of a program that this one has started.
func child(t *testing.T, program string) int {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/stat")
	require.NoError(t, err)
	for _, file := range all {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		name, rest, found := strings.Cut(string(text), ") ")
		_, name, _ = strings.Cut(name, "(")
		if fields := strings.Fields(rest); found && name == program && len(fields) > 1 && fields[1] == strconv.Itoa(os.Getpid()) {
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			require.NoError(t, err)
			return pid
		}
	}
	require.Fail(t, "no process", program)
	return 0
}

// metric is the sum of a metric's samples.
func (n *node) metric(t *testing.T, name string) (sum float64) {
	t.Helper()
	answer, err := http.Get("http://" + n.metrics + "/metrics")
	require.NoError(t, err)
	defer answer.Body.Close()
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		sample, value, _ := strings.Cut(lines.Text(), " ")
		if bare, _, _ := strings.Cut(sample, "{"); bare != name {
			continue
		}
		v, err := strconv.ParseFloat(value, 64)
		require.NoError(t, err)
		sum += v
	}
	return sum
}

// connections counts those of a process by the name of the port at their other end;
// those that others have made to it stand under "in".
func (n *node) connections(t *testing.T, ports map[int]string) string {
	t.Helper()
	sockets := map[string]bool{}
	links, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", n.pid))
	require.NoError(t, err)
	for _, link := range links {
		if target, err := os.Readlink(link); err == nil && strings.HasPrefix(target, "socket:[") {
			sockets[strings.Trim(target, "socket:[]")] = true
		}
	}
	counts := map[string]int{}
	for _, table := range []string{"tcp", "tcp6"} {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", n.pid, table))
		require.NoError(t, err)
		for line := range strings.Lines(string(text)) {
			f := strings.Fields(line)
			const established, listening = "01", "0A"
			if len(f) < 10 || !sockets[f[9]] {
				continue
			}
			switch {
			case f[3] == listening:
				counts["listening"]++
			case f[3] == established && ports[port(t, f[2])] != "":
				counts[ports[port(t, f[2])]]++
			case f[3] == established:
				counts["in"]++
			}
		}
	}
	var list []string
	for name, count := range counts {
		list = append(list, fmt.Sprintf("%s %d", name, count))
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

// port is that of an address as /proc/net/tcp has it.
func port(t *testing.T, address string) int {
	_, text, _ := strings.Cut(address, ":")
	n, err := strconv.ParseInt(text, 16, 32)
	require.NoError(t, err)
	return int(n)
}
