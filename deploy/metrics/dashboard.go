package metrics

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

// Dashboard is what a file of Grafana shows.
type Dashboard struct {
	UID, Title string
	Panels     []Panel
}

// Panel is one of its parts.
type Panel struct {
	ID                       int
	Type, Title, Description string
	GridPos                  struct{ X, Y, W, H int }
	FieldConfig              struct{ Defaults struct{ Unit string } }
	Targets                  []struct{ Expr, LegendFormat string }
}

// ReadDashboard reads a file of Grafana.
func ReadDashboard(file string) (d Dashboard, err error) {
	text, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(text, &d)
	}
	if err != nil {
		return d, fmt.Errorf("dashboard %s: %w", file, err)
	}
	return d, nil
}

// Queries are the expressions of all panels as Prometheus takes them, for all nodes.
func (d Dashboard) Queries() (list []string) {
	variables := strings.NewReplacer("$__rate_interval", "1m", "$instance", ".*")
	for _, p := range d.Panels {
		for _, t := range p.Targets {
			list = append(list, variables.Replace(t.Expr))
		}
	}
	return list
}
