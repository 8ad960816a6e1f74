package check_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/lab/chaos/check"
)

func TestLate(t *testing.T) {
	ended := check.Moment{By: "Bea", At: at(15), What: check.Ended}
	created := check.Moment{By: "Bea", At: at(40), What: check.Created}
	h := func(told float64, moments ...check.Moment) check.History {
		return check.History{
			Sends: []check.Send{sent("a", 20)}, Effects: []check.Effect{effect("a", 20, 1, 1, 1)},
			Seen: []check.Seen{seen("a", 20+told, check.NewSession)}, Moments: moments,
		}
	}
	for _, tc := range []struct {
		name string
		h    check.History
		want []string
	}{
		{"in time", h(10, ended), nil},
		{"never seen", check.History{Sends: []check.Send{sent("a", 20)}, Effects: []check.Effect{effect("a", 20, 1, 1, 1)}}, nil},
		{"nothing befell the client", h(11), []string{`03:04:25.000 "a": seen by Bea after 11.0 s (new session, none yet)`}},
		{"its connection had ended", h(20.5, ended, created), []string{
			`03:04:25.000 "a": seen by Bea after 20.5 s (new session, none yet); 03:04:20.000 connection ended; 03:04:45.000 session created`,
		}},
		{"that was long before, or after, or another's", h(11,
			check.Moment{By: "Bea", At: at(9), What: check.Ended},
			check.Moment{By: "Ann", At: at(21), What: check.Ended},
			check.Moment{By: "Bea", At: at(32), What: check.Ended},
		), []string{`03:04:25.000 "a": seen by Bea after 11.0 s (new session, none yet)`}},
		{"the latest first", check.History{
			Sends:   []check.Send{sent("a", 20), sent("b", 21)},
			Effects: []check.Effect{effect("a", 20, 1, 1, 1), effect("b", 21, 1, 2, 2)},
			Seen:    []check.Seen{seen("a", 32, check.Pushed), seen("b", 35, check.Pushed)},
		}, []string{
			`03:04:26.000 "b": seen by Bea after 14.0 s (pushed, none yet)`,
			`03:04:25.000 "a": seen by Bea after 12.0 s (pushed, none yet)`,
		}},
	} {
		t.Run(tc.name, func(t *testing.T) { require.Equal(t, tc.want, check.Judge(tc.h).Late) })
	}
}
