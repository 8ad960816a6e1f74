package sess

import (
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What limits.go says of a zero value is what it means.
func TestDefaultsAreAsDocumented(t *testing.T) {
	text, err := os.ReadFile("limits.go")
	require.NoError(t, err)
	said := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^\t(\w+) .*Zero value means ([^,\n]+)`).FindAllStringSubmatch(string(text), -1) {
		said[m[1]] = m[2]
	}
	var c Config
	c.SetDefaults()
	limits := reflect.ValueOf(c.Limits)
	for i := range limits.NumField() {
		name := limits.Type().Field(i).Name
		if limits.Field(i).Kind() == reflect.Bool {
			continue
		}
		number, unit, _ := strings.Cut(said[name], " ")
		n, err := strconv.ParseFloat(number, 64)
		require.NoError(t, err, name)
		scale := map[string]float64{"": 1, "KiB": 1 << 10, "MiB": 1 << 20, "ms": float64(time.Millisecond), "s": float64(time.Second)}[unit]
		require.InDelta(t, n*scale, limits.Field(i).Int(), 0, name)
	}
}
