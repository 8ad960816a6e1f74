package sess

import (
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"
)

// Each limit has a row, each row is a limit, and a Config without limits has those of
// the table, within their ranges.
func TestLimitsAreThoseOfTheTable(t *testing.T) {
	require.Empty(t, LimitTable.Problems(&Limits{}))
	var c Config
	c.SetDefaults()
	require.NoError(t, c.Validate())
	limits := reflect.ValueOf(c.Limits)
	for _, row := range LimitTable {
		field := limits.FieldByName(row.Key)
		if field.Kind() == reflect.Bool {
			continue
		}
		require.NotNil(t, row.Min, row.Key)
		require.NotNil(t, row.Max, row.Key)
		require.Equal(t, reflect.ValueOf(row.Default).Int(), field.Int(), row.Key)
	}
}

// What one limit asks of another is told with both.
func TestLimitsThatBoundOthers(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"sess: AnswerBytes is 1024, want OutboxBytes (1048576) or more": func(c *Config) { c.AnswerBytes = 1 << 10 },
		"sess: KeyBytes is 1024, want AnswerBytes (12582912) or more":   func(c *Config) { c.KeyBytes = 1 << 10 },
	} {
		var c Config
		change(&c)
		c.SetDefaults()
		require.EqualError(t, c.Validate(), want)
	}
	var c Config
	c.AnswerBytes = 64 << 20
	c.SetDefaults()
	require.Equal(t, 64<<20, c.KeyBytes, "the default follows AnswerBytes")
}
