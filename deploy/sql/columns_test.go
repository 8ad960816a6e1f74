package schema

import (
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	guarded = regexp.MustCompile(`\.table_name = '(\w+)'`)
	added   = regexp.MustCompile(`ADD COLUMN (\w+)((?:[^',]|'')*)`) // with its type, as text of SQL
	behind  = regexp.MustCompile(` AFTER (\w+)`)
)

// migratedColumns reads from the migrations which columns each table has in the end,
// in their order.
func migratedColumns() map[string][]string {
	columns := map[string][]string{}
	for _, f := range files() {
		up, _ := halves(f)
		for _, s := range up {
			if made := tableOf(s); made.name != "" {
				columns[made.name] = made.columns
			}
			for _, m := range added.FindAllStringSubmatch(s, -1) {
				table := guarded.FindStringSubmatch(s)[1]
				at := len(columns[table])
				if after := behind.FindStringSubmatch(m[2]); after != nil {
					at = 1 + slices.Index(columns[table], after[1])
				}
				columns[table] = slices.Insert(columns[table], at, m[1])
			}
		}
	}
	return columns
}

// A column stands in the migrations and in schema.sql, at the same place: where an ALTER
// TABLE adds one, behind all others. TestMigrationsEndInTheSchemaFile compares types and
// indexes, too, but needs a server.
func TestColumnsOfTheSchemaFile(t *testing.T) {
	direct := map[string][]string{}
	for _, s := range Statements() {
		direct[tableOf(s).name] = tableOf(s).columns
	}
	require.Equal(t, direct, migratedColumns())
}
