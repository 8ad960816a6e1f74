package dao

import (
	"context"
	"errors"

	"github.com/zeromicro/go-zero/core/stores/sqlx"
)

// loginOn is a live login on a key. A key has at most one, unless stock nodes left more.
type loginOn struct {
	ID     int64 `db:"id"`
	UserID int64 `db:"user_id"`
}

// loginsOn reads the live logins on a key, in the order in which users are
// locked.
func loginsOn(ctx context.Context, q sqlx.Session, perm int64) (list []loginOn, err error) {
	err = q.QueryRowsCtx(ctx, &list, "SELECT id, user_id FROM auth_users WHERE auth_key_id = ? AND deleted = 0 ORDER BY user_id", perm)
	return list, err
}

// lockLive locks those of the logins that are live and returns their rows' ids: no
// call can end them before the transaction does. It names their rows: a lock over
// all rows of a key would also keep other keys from signing in.
func lockLive(ctx context.Context, tx sqlx.Session, list []loginOn) (live []int64, err error) {
	if len(list) == 0 {
		return nil, nil
	}
	ids := make([]any, len(list))
	for i, l := range list {
		ids[i] = l.ID
	}
	err = tx.QueryRowsCtx(ctx, &live, "SELECT id FROM auth_users WHERE id IN ("+placeholders(len(ids))+") AND deleted = 0 ORDER BY id FOR UPDATE", ids...)
	return live, err
}

// maxSignedIn bounds how often a write begins again because somebody has signed
// in meanwhile.
const maxSignedIn = 5

// errSignedIn means that somebody has signed in since the logins of a key were
// read.
var errSignedIn = errors.New("the logins of the key have changed")

// changeLoginsOn is changeLogin for a write that locks the live logins on the key.
// Which they are is read before the transaction, whose first plain read has to
// come after its locks; after a sign-in in between, which the write reports as
// errSignedIn, it begins again.
func (d *Dao) changeLoginsOn(ctx context.Context, perm int64, write func(ctx context.Context, tx *Tx, on []loginOn) error) error {
	return d.onLogins(ctx, perm, d.changeLogin, write)
}

// amendLoginsOn is amendLogin for such a write.
func (d *Dao) amendLoginsOn(ctx context.Context, perm int64, write func(ctx context.Context, tx *Tx, on []loginOn) error) error {
	return d.onLogins(ctx, perm, d.amendLogin, write)
}

func (d *Dao) onLogins(ctx context.Context, perm int64,
	run func(ctx context.Context, perm int64, write func(ctx context.Context, tx *Tx) error) error,
	write func(ctx context.Context, tx *Tx, on []loginOn) error,
) error {
	for attempt := 1; ; attempt++ {
		on, err := loginsOn(ctx, d.conn, perm)
		if err != nil {
			return err
		}
		err = run(ctx, perm, func(ctx context.Context, tx *Tx) error { return write(ctx, tx, on) })
		if !errors.Is(err, errSignedIn) || attempt == maxSignedIn {
			return err
		}
	}
}
