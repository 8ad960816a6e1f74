package sess

import (
	"reflect"
	"testing"
	"time"

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
		"sess: AnswerBytes is 1024, too little for OutboxBytes (1048576): give 1048576 or more, or lower OutboxBytes": func(c *Config) { c.AnswerBytes = 1 << 10 },
		"sess: KeyBytes is 1024, too little for AnswerBytes (12582912): give 12582912 or more, or lower AnswerBytes":  func(c *Config) { c.KeyBytes = 1 << 10 },
		"sess: PayloadBytes is 2048, too little for ContainerBytes (2000): give 2064 or more, or lower ContainerBytes": func(c *Config) {
			c.PayloadBytes, c.ContainerBytes = 2048, 2000
		},
		"sess: ResendAfter is 30s, and clients acknowledge after up to 30s, so that everything would leave twice: give more than 30s": func(c *Config) {
			c.ResendAfter = 30 * time.Second
		},
		"sess: OnlineEvery is 1m0s, and what it repeats holds for OnlineFor (1m0s): give less than 1m0s, or raise OnlineFor": func(c *Config) {
			c.OnlineEvery = time.Minute
		},
	} {
		var c Config
		change(&c)
		c.SetDefaults()
		err := c.Validate()
		require.EqualError(t, err, want)
		require.ErrorAs(t, err, new(*LimitError))
	}
	var c Config
	c.AnswerBytes = 64 << 20
	c.SetDefaults()
	require.Equal(t, 64<<20, c.KeyBytes, "the default follows AnswerBytes")
}
