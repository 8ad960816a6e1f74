package audit

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/zeromicro/go-zero/core/stores/sqlx"
)

// Errors of Claim.
var (
	ErrKeyReused = errors.New("the idempotency key was used for another request")
	ErrUnderWay  = errors.New("a call with this idempotency key is under way")
)

const (
	// KeepAnswers is how long an answer is kept for the repetition of its call.
	KeepAnswers = 24 * time.Hour
	// MaxKey bounds an idempotency key, in characters.
	MaxKey = 128
	// maxAnswer bounds an answer that is kept; a clean-up's with 10,000 logins has
	// a quarter of it.
	maxAnswer = 1 << 20
	// abandoned is when a call that left no answer has died with its node: no call
	// takes that long.
	abandoned = 10 * time.Minute
	duplicate = 1062
)

// Claim notes that a call of caller with an idempotency key begins. Where one with
// that key and the same request has ended, it returns its answer, which is not nil.
func (l *Log) Claim(ctx context.Context, caller, key string, request []byte) (answer []byte, err error) {
	hash := sha256.Sum256(request)
	for range 2 {
		_, err := l.conn.ExecCtx(ctx, "INSERT INTO auth_admin_answers(caller, idem_key, request_hash, created_at) VALUES (?, ?, ?, ?)",
			caller, key, hash[:], l.now().UnixMilli())
		var refused *mysql.MySQLError
		switch {
		case err == nil:
			return nil, nil
		case !errors.As(err, &refused) || refused.Number != duplicate:
			return nil, fmt.Errorf("idempotency keys: %w", err)
		}
		answer, over, err := l.claimed(ctx, caller, key, hash)
		if !over {
			return answer, err
		}
	}
	return nil, ErrUnderWay // two others were faster
}

// claimed looks at the call that had the key before; over: it has no right to it
// any more.
func (l *Log) claimed(ctx context.Context, caller, key string, hash [sha256.Size]byte) (answer []byte, over bool, err error) {
	var before struct {
		Hash      string `db:"request_hash"`
		CreatedAt int64  `db:"created_at"`
		Done      bool   `db:"done"`
		Answer    string `db:"answer"`
	}
	err = l.conn.QueryRowCtx(ctx, &before, "SELECT request_hash, created_at, answer IS NOT NULL AS done, COALESCE(answer, '') AS answer FROM auth_admin_answers WHERE caller = ? AND idem_key = ?", caller, key)
	if errors.Is(err, sqlx.ErrNotFound) { // it failed, and was freed
		return nil, true, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("idempotency keys: %w", err)
	}
	age := l.now().Sub(time.UnixMilli(before.CreatedAt))
	switch {
	case age >= KeepAnswers, !before.Done && age >= abandoned:
		_, err = l.conn.ExecCtx(ctx, "DELETE FROM auth_admin_answers WHERE caller = ? AND idem_key = ? AND created_at = ?", caller, key, before.CreatedAt)
		return nil, err == nil, err
	case before.Hash != string(hash[:]):
		return nil, false, ErrKeyReused
	case !before.Done:
		return nil, false, ErrUnderWay
	}
	return []byte(before.Answer), false, nil
}

// Keep keeps the answer of the call that has claimed a key. One too large to keep
// frees the key.
func (l *Log) Keep(ctx context.Context, caller, key string, answer []byte) error {
	if len(answer) > maxAnswer {
		return l.Free(ctx, caller, key)
	}
	if answer == nil {
		answer = []byte{}
	}
	_, err := l.conn.ExecCtx(ctx, "UPDATE auth_admin_answers SET answer = ? WHERE caller = ? AND idem_key = ?", answer, caller, key)
	if err != nil {
		return fmt.Errorf("idempotency keys: %w", err)
	}
	return nil
}

// Free gives a key back whose call has failed.
func (l *Log) Free(ctx context.Context, caller, key string) error {
	_, err := l.conn.ExecCtx(ctx, "DELETE FROM auth_admin_answers WHERE caller = ? AND idem_key = ? AND answer IS NULL", caller, key)
	if err != nil {
		return fmt.Errorf("idempotency keys: %w", err)
	}
	return nil
}

// PruneAnswers removes up to limit answers that are older than keep, and returns
// how many.
func (l *Log) PruneAnswers(ctx context.Context, keep time.Duration, limit int) (int, error) {
	result, err := l.conn.ExecCtx(ctx, "DELETE FROM auth_admin_answers WHERE created_at < ? ORDER BY created_at LIMIT ?", l.now().Add(-keep).UnixMilli(), limit)
	if err != nil {
		return 0, fmt.Errorf("idempotency keys: %w", err)
	}
	n, err := result.RowsAffected()
	return int(n), err
}
