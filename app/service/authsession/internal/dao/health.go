package dao

import (
	"context"
	"fmt"
	"time"
)

// AskMySQL reports whether MySQL answers. Without it nothing is served that is not in the
// cache.
func (d *Dao) AskMySQL(ctx context.Context) (string, error) {
	began := time.Now()
	if err := d.db.PingContext(ctx); err != nil {
		return "", fmt.Errorf("does not answer: %w", err)
	}
	return answered(began), nil
}

// AskRedis reports whether all nodes of Cache and KV answer. Without them all is served
// from MySQL.
func (d *Dao) AskRedis(ctx context.Context) (string, error) {
	began := time.Now()
	for i, key := range []string{"Cache", "KV"} {
		if err := d.rings[i].Ping(ctx, key); err != nil {
			return "", fmt.Errorf("does not answer, all goes to MySQL: %w", err)
		}
	}
	return answered(began), nil
}

func answered(began time.Time) string {
	return fmt.Sprintf("answers, in %v", time.Since(began).Round(10*time.Microsecond))
}
