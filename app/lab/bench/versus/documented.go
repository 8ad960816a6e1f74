package versus

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
)

// tolerance is how many times its documented ratio a row may be in a short run.
// Two pairs on a machine that others use say no more than that.
const tolerance = 1.5

// documentedRatios are the medians of whole runs, by row, of the machine on which the row
// cost most (docs/speed.md): the same commit costs up to 1.6 times on one machine what it
// costs on another. To be renewed when a row has become cheaper, so that it stays so.
//
//go:embed documented.json
var documentedRatios []byte

// Documented reads them.
func Documented() (map[string]float64, error) {
	var ratios map[string]float64
	if err := json.Unmarshal(documentedRatios, &ratios); err != nil {
		return nil, fmt.Errorf("bench: documented.json: %w", err)
	}
	return ratios, nil
}

// Compare returns what is wrong with a short run: a row that costs at least
// 1.5 times its documented ratio in each of its pairs. The pair that was disturbed
// least counts: what makes session slower does so in all.
func (r *Report) Compare(documented map[string]float64) error {
	var errs []error
	for _, row := range r.Rows {
		known, ok := documented[row.Key]
		if !ok {
			errs = append(errs, fmt.Errorf("%s: documented.json has no ratio", row.Key))
			continue
		}
		if row.Ratio.Min >= tolerance*known {
			errs = append(errs, fmt.Errorf("%s: session costs %.2f times the floor, documented are %.2f, %.2f is too much",
				row.Name, row.Ratio.Min, known, tolerance*known))
		}
	}
	return errors.Join(errs...)
}
