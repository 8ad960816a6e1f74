package bench

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

// Kind is what a client does.
type Kind int

// The kinds.
const (
	Ping Kind = iota // ping and its pong
	Call             // an API call that the BFF answers at once
	Push             // a message, until the user's other device has it
	kinds
)

var kindNames = [kinds]string{"ping", "call", "push"}

func (k Kind) String() string { return kindNames[k] }

// Mix is how often each kind happens, in parts of the sum.
type Mix [kinds]int

// ParseMix reads "ping=6,call=3,push=1". What is not named is not done.
func ParseMix(text string) (m Mix, err error) {
	for _, part := range strings.Split(text, ",") {
		name, weight, _ := strings.Cut(strings.TrimSpace(part), "=")
		n, err := strconv.Atoi(weight)
		if err != nil || n < 0 || n > 1_000_000 {
			return Mix{}, fmt.Errorf("%q is no share such as ping=6", part)
		}
		known := false
		for k := range kinds {
			if k.String() == name {
				m[k], known = n, true
			}
		}
		if !known {
			return Mix{}, fmt.Errorf("%q is none of %s", name, strings.Join(kindNames[:], ", "))
		}
	}
	if m.sum() == 0 {
		return Mix{}, fmt.Errorf("%q does nothing", text)
	}
	return m, nil
}

func (m Mix) sum() (n int) {
	for _, w := range m {
		n += w
	}
	return n
}

// pick draws a kind.
func (m Mix) pick() Kind {
	n := rand.IntN(m.sum())
	for k, w := range m {
		if n -= w; n < 0 {
			return Kind(k)
		}
	}
	return Ping // not reached: n was below the sum
}
