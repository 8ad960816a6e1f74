package dao

import (
	"context"
	"database/sql"
	"errors"
)

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
// trip: whether the server writes comes with it. Whatever is not a row of a server that
// writes is asked for once more, and then the connection says what its server does:
// a replica's of the pool is given up, a proxy that does not know read_only does not have to.
//
// Writes reports whether what it returns, ErrNoRows too, is what a server that writes has.
// Else it may be old: while there is no primary, or for as long as this node is led to the
// former one. Then it is an answer, and nothing to keep. What such a server lacks may be new,
// so it is no answer but ErrOnlyReads: a client whose key is said to be unknown drops it. Nor
// is it one where the caller has no time left to ask once more: then that is the error.
func readRow(ctx context.Context, q rowQuerier, row interface{ onlyReads() bool }, columns string, args ...any) (writes bool, err error) {
	err = q.QueryRowCtx(context.WithValue(ctx, asksItself{}, true), row, "SELECT @@GLOBAL.read_only AS read_only, "+columns, args...)
	if err == nil && !row.onlyReads() {
		return true, nil
	}
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	ctx, server := askServer(ctx)
	err = q.QueryRowCtx(ctx, row, "SELECT 'OFF' AS read_only, "+columns, args...)
	if server.onlyReads && errors.Is(err, sql.ErrNoRows) {
		err = ErrOnlyReads
	}
	return !server.onlyReads, err
}
