package conformance

import (
	"strings"
	"testing"

	"github.com/gotd/td/tg"
	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/lab/conformance/wire"
)

func TestPackedResults(t *testing.T) {
	long := encode(&tg.MessagesMessages{Messages: []tg.MessageClass{
		&tg.Message{PeerID: &tg.PeerUser{}, Message: strings.Repeat("and on ", 500)},
	}})
	for _, c := range []struct {
		name    string
		history any
		want    Status
		detail  string
	}{
		{"packed", wire.Gzip(long), Pass, ""},
		{"as it is", long, Fail, "expected gzip_packed"},
		{"short", &tg.MessagesMessages{}, Skip, "not worth packing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := loginServer(nil, nil)
			s.answers[tg.HelpGetConfigRequestTypeID] = always(&tg.Config{})
			s.answers[tg.MessagesGetHistoryRequestTypeID] = func([]byte) any { return c.history }
			got := row(t, s, "GZIP-2")
			require.Equal(t, c.want, got.Status, got.Detail)
			require.Contains(t, got.Detail, c.detail)
		})
	}
}
