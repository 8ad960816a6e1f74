package config

import (
	"fmt"
	"time"

	"github.com/tgsession/tgsession/app/internal/conf"
	"github.com/tgsession/tgsession/app/service/authsession/internal/salts"
)

// Salts is how server salts follow each other.
type Salts struct {
	// Life is the window of each salt, in whole seconds, from 10s to 24h. It is
	// for tests and labs, which would wait half an hour to see a salt change
	// once: nothing is gained by it elsewhere, and nodes that share a Redis must
	// agree, since what one stores the others hand out.
	Life time.Duration `json:",default=30m"`
}

func (s Salts) validate() error {
	if s.Life%time.Second != 0 {
		return &conf.KeyError{Key: "Salts.Life", Problem: fmt.Sprintf("is %v", s.Life), Fix: "leave it out for 30m, or set whole seconds from 10s to 24h"}
	}
	return nil
}

// Window is Life in seconds; that of a stock install for a Config built in code
// which names none.
func (s Salts) Window() int64 {
	if s.Life == 0 {
		return salts.Window
	}
	return int64(s.Life / time.Second)
}
