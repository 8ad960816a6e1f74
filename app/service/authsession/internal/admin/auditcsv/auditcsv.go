// Package auditcsv is the audit log of the admin API as CSV (RFC 4180), as REST and
// `authsession ctl` export it.
package auditcsv

import (
	"encoding/csv"
	"io"
	"strconv"
	"strings"
	"time"

	pb "github.com/tgsession/tgsession/proto/admin"
)

// columns are those of the first line.
var columns = []string{"id", "at", "transport", "method", "caller", "client_ip", "user_id", "hash", "code", "refusal", "affected", "reason", "ticket", "request"}

// texts are the columns that callers write.
var texts = []int{4, 11, 12, 13}

// Titles writes the first line.
func Titles(w io.Writer) error { return line(w, columns) }

// Entry writes the line of an entry; the logins that it ended are not in it. What a
// spreadsheet would take for a formula begins with an apostrophe.
func Entry(w io.Writer, e *pb.AuditEntry) error {
	cells := []string{
		strconv.FormatInt(e.GetId(), 10), e.GetAt().AsTime().Format(time.RFC3339Nano), e.GetTransport(), e.GetMethod(), e.GetCaller(), e.GetClientIp(),
		strconv.FormatInt(e.GetUserId(), 10), strconv.FormatInt(e.GetHash(), 10), e.GetCode(), e.GetRefusal(), strconv.Itoa(int(e.GetAffected())),
		e.GetReason(), e.GetTicket(), e.GetRequest(),
	}
	for _, i := range texts {
		if cells[i] != "" && strings.ContainsRune("=+-@\t\r", rune(cells[i][0])) {
			cells[i] = "'" + cells[i]
		}
	}
	return line(w, cells)
}

func line(w io.Writer, cells []string) error {
	c := csv.NewWriter(w)
	if err := c.Write(cells); err != nil {
		return err
	}
	c.Flush()
	return c.Error()
}
