package dao

import "context"

// asksItself marks the context of a statement that reads read_only itself.
type asksItself struct{}

// ofServer is the part of a row that says what its server does.
type ofServer struct {
	ReadOnly string `db:"read_only"`
}

func (s *ofServer) onlyReads() bool { return onlyReads(s.ReadOnly) }

// rowQuerier is a connection to MySQL.
type rowQuerier interface {
	QueryRowCtx(ctx context.Context, v any, query string, args ...any) error
}

// readRow reads the row that a SELECT has, which begins with its columns, in one round
// trip: whether the server still writes comes with it. Whatever is not a row of a server
// that writes is asked for once more, and then the connection is asked first: a replica's
// is given up, a proxy that does not know read_only does not have to.
func readRow(ctx context.Context, q rowQuerier, row interface{ onlyReads() bool }, columns string, args ...any) error {
	ways := []struct {
		ctx      context.Context
		readOnly string
	}{{context.WithValue(ctx, asksItself{}, true), "@@GLOBAL.read_only"}, {ctx, "'OFF'"}}
	var err error
	for _, way := range ways {
		err = q.QueryRowCtx(way.ctx, row, "SELECT "+way.readOnly+" AS read_only, "+columns, args...)
		if err == nil && !row.onlyReads() || ctx.Err() != nil {
			break
		}
	}
	return err
}
