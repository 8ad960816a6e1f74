package admin

import (
	"io"
	"mime"
	"net/http"
	"net/url"
	"sort"
	"strconv"
	"time"

	"github.com/zeromicro/go-zero/rest/pathvar"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

const (
	maxQuery = 2 << 10  // bytes, as sent
	maxBody  = 64 << 10 // bytes: a thousand users, and a thousand that are excepted
)

// params reads the parameters of a REST call. The first that is wrong is kept
// in err; so is one that nobody asked for.
type params struct {
	request *http.Request
	path    map[string]string
	query   url.Values
	err     error
}

func newParams(r *http.Request) *params {
	p := &params{request: r, path: pathvar.Vars(r)}
	if len(r.URL.RawQuery) > maxQuery {
		p.fail("query", "has more than %d bytes", maxQuery)
		return p
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		p.fail("query", "cannot be read")
		return p
	}
	p.query = query
	return p
}

func (p *params) fail(field, format string, args ...any) {
	if p.err == nil {
		p.err = invalid(field, format, args...)
	}
}

// take returns the value of a query parameter, which may come once.
func (p *params) take(name string) (value string, given bool) {
	values, given := p.query[name]
	delete(p.query, name)
	switch {
	case !given:
		return "", false
	case len(values) > 1:
		p.fail(name, "comes more than once")
		return "", false
	}
	return values[0], true
}

// done reports what nobody asked for.
func (p *params) done() error {
	names := make([]string, 0, len(p.query))
	for name := range p.query {
		names = append(names, strconv.Quote(name))
	}
	sort.Strings(names)
	if len(names) > 0 {
		p.fail("query", "there is no parameter %s", names[0])
	}
	return p.err
}

func (p *params) text(name string) string {
	value, _ := p.take(name)
	return value
}

func (p *params) int64(name string) int64 {
	value, given := p.take(name)
	if !given {
		return 0
	}
	return p.number(name, value, 64)
}

func (p *params) int32(name string) int32 {
	value, given := p.take(name)
	if !given {
		return 0
	}
	return int32(p.number(name, value, 32))
}

// time is nil when the parameter is not there.
func (p *params) time(name string) *timestamppb.Timestamp {
	value, given := p.take(name)
	if !given {
		return nil
	}
	at, err := time.Parse(time.RFC3339, value)
	if err != nil {
		p.fail(name, "must be a time like 2026-01-31T00:00:00Z")
		return nil
	}
	return timestamppb.New(at)
}

// id is a number in the path.
func (p *params) id(name string) int64 { return p.number(name, p.path[name], 64) }

func (p *params) number(name, value string, bits int) int64 {
	n, err := strconv.ParseInt(value, 10, bits)
	if err != nil {
		p.fail(name, "is no number of %d bits", bits)
		return 0
	}
	return n
}

// flag is nil when the parameter is not there.
func (p *params) flag(name string) *bool {
	value, given := p.take(name)
	if !given {
		return nil
	}
	if value != "true" && value != "false" {
		p.fail(name, "must be true or false")
	}
	return proto.Bool(value == "true")
}

// yes is a flag that is false when it is not there.
func (p *params) yes(name string) bool {
	given := p.flag(name)
	return given != nil && *given
}

// body reads JSON into m.
func (p *params) body(m proto.Message) {
	if kind, _, err := mime.ParseMediaType(p.request.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		p.fail("body", "must be application/json")
		return
	}
	text, err := io.ReadAll(io.LimitReader(p.request.Body, maxBody+1))
	switch {
	case err != nil:
		p.fail("body", "cannot be read")
	case len(text) > maxBody:
		p.fail("body", "has more than %d bytes", maxBody)
	default:
		// The parser's own text quotes its input and varies.
		if err := (protojson.UnmarshalOptions{RecursionLimit: 10}).Unmarshal(text, m); err != nil {
			p.fail("body", "is not the JSON that is expected here")
		}
	}
}
