package admin

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"net/http"

	"go.yaml.in/yaml/v3"
)

//go:embed openapi.yaml
var openAPI []byte

// document is served as it is, to anybody: it is in the repository.
type document struct {
	kind string // media type
	text []byte
}

func (d document) serve(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", d.kind)
	_, _ = w.Write(d.text)
}

// describeAPI returns openapi.yaml, as it is and as JSON, by path.
func describeAPI() (map[string]document, error) {
	var tree any
	if err := yaml.Unmarshal(openAPI, &tree); err != nil {
		return nil, fmt.Errorf("openapi.yaml: %w", err)
	}
	asJSON, err := json.Marshal(tree)
	if err != nil {
		return nil, fmt.Errorf("openapi.yaml: %w", err)
	}
	return map[string]document{
		"/openapi.yaml": {"application/yaml", openAPI},
		"/openapi.json": {"application/json", asJSON},
	}, nil
}
