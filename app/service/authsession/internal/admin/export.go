package admin

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/zeromicro/go-zero/core/logx"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/tgsession/tgsession/app/service/authsession/internal/admin/audit"
	"github.com/tgsession/tgsession/app/service/authsession/internal/admin/auditcsv"
	"github.com/tgsession/tgsession/app/service/authsession/internal/rpcerr"
	pb "github.com/tgsession/tgsession/proto/admin"
)

const (
	exportPath = "/v1/audit:export"
	exportRows = 500 // that are in memory at a time
	// maxExports bounds how many exports a node has at a time: each is a row of
	// statements without a pause.
	maxExports  = 2
	trailerRows = "X-Export-Rows"
)

// Forms of an export.
const (
	asCSV    = "csv"
	asNDJSON = "ndjson"
)

// export streams the audit log. Pages of it are read as the caller takes them, each
// within Admin.Timeout. An answer that breaks off has no end, by which HTTP knows it.
func (g *guard) export(s *impl) http.HandlerFunc {
	slots := make(chan struct{}, maxExports)
	return func(w http.ResponseWriter, request *http.Request) {
		var f audit.Filter
		var form string
		from := origin{
			transport: overREST, authorization: request.Header.Values("Authorization"),
			certificate: verified(request.TLS), ip: address(request.RemoteAddr),
		}
		free := func() {}
		_, err := g.do(request.Context(), "ExportAudit", from,
			func() (proto.Message, error) {
				p := newParams(request)
				form = p.text("format")
				in := auditQuery(p)
				if err := p.done(); err != nil {
					return nil, err
				}
				if form != asCSV && form != asNDJSON {
					return nil, invalid("format", "must be csv or ndjson")
				}
				var err error
				f, err = auditFilter(in)
				return in, err
			},
			func(context.Context, proto.Message) (proto.Message, error) {
				select {
				case slots <- struct{}{}:
					free = func() { <-slots }
					return nil, nil
				default:
					return nil, &refusal{answer: rpcerr.ErrTooManyExports, wait: time.Second}
				}
			})
		defer free()
		if err != nil {
			fail(w, err, nil)
			return
		}
		e := &export{to: http.NewResponseController(w), w: bufio.NewWriterSize(w, 64<<10), timeout: g.timeout}
		h := w.Header()
		h.Set("Trailer", trailerRows)
		h.Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", "audit."+form))
		h.Set("Content-Type", map[string]string{asCSV: "text/csv; charset=utf-8", asNDJSON: "application/x-ndjson"}[form])
		if err := e.run(request.Context(), s.audit, f, form); err != nil && !e.begun {
			h.Del("Trailer")
			h.Del("Content-Disposition")
			fail(w, fault(request.Context(), err), nil)
			return
		} else if err != nil {
			logx.WithContext(request.Context()).Errorf("admin API: the export of the audit log broke off after %d rows: %v", e.rows, err)
			e.breakOff()
			return
		}
		h.Set(trailerRows, strconv.Itoa(e.rows))
	}
}

// export is one that is under way.
type export struct {
	to      *http.ResponseController
	w       *bufio.Writer
	timeout time.Duration
	begun   bool // something was written
	rows    int
}

func (e *export) run(ctx context.Context, log auditReader, f audit.Filter, form string) error {
	write := ndjsonLine
	if form == asCSV {
		write = auditcsv.Entry
		if err := auditcsv.Titles(e.w); err != nil {
			return err
		}
	}
	for before := int64(0); ; {
		list, next, err := e.page(ctx, log, f, before)
		if err != nil {
			return err
		}
		// Who does not take what they asked for is not waited for.
		_ = e.to.SetWriteDeadline(time.Now().Add(e.timeout))
		e.begun = true
		for i := range list {
			if err := write(e.w, auditEntry(&list[i])); err != nil {
				return err
			}
			e.rows++
		}
		if err := e.w.Flush(); err != nil {
			return err
		}
		if before = next; before == 0 {
			return nil
		}
		if err := e.to.Flush(); err != nil {
			return err
		}
	}
}

func (e *export) page(ctx context.Context, log auditReader, f audit.Filter, before int64) ([]audit.Row, int64, error) {
	ctx, cancel := context.WithTimeout(ctx, e.timeout)
	defer cancel()
	return log.Page(ctx, f, before, exportRows)
}

// breakOff closes the connection before the end of the answer is written, so that
// nobody takes a part for the whole.
func (e *export) breakOff() {
	_ = e.to.SetWriteDeadline(time.Now().Add(-time.Second))
	_ = e.to.Flush()
}

func ndjsonLine(w io.Writer, e *pb.AuditEntry) error {
	line := encode(protojson.MarshalOptions{UseProtoNames: true, EmitDefaultValues: true}, e)
	_, err := w.Write(append(line, '\n'))
	return err
}
