package events

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/zeromicro/go-zero/core/stores/sqlx"
)

// Types of events.
const (
	Created = "session.created" // a login began
	Changed = "session.changed" // another device, app or app version on a login
	Touched = "session.touched" // a login was used; at most one a login and Touch.DBInterval
	Revoked = "session.revoked" // a login was ended; Reason and Actor say why and by whom
	Expired = "session.expired" // a login was ended because nobody used it
)

// version of the JSON form. Members may be added within a version, so readers
// skip what they do not know; anything else makes a new one.
const version = 1

// Event tells of one change of one session.
type Event struct {
	Type    string
	At      time.Time // of the change, by the clock of the node that made it
	Session Snapshot  // after the change
	Reason  string    // why it ended; empty: it did not
	Actor   string    // who changed it, where that is known
}

// Snapshot is a session as consumers see it. Empty texts and zero times are
// not known.
type Snapshot struct {
	Hash          int64     `json:"hash,string"` // 63 bits: more than a JSON number holds everywhere
	UserID        int64     `json:"user_id,string"`
	AuthKeyID     int64     `json:"auth_key_id,string"` // perm key
	DeviceType    string    `json:"device_type,omitempty"`
	DeviceModel   string    `json:"device_model,omitempty"`
	Platform      string    `json:"platform,omitempty"`
	SystemVersion string    `json:"system_version,omitempty"`
	AppName       string    `json:"app_name,omitempty"`
	AppVersion    string    `json:"app_version,omitempty"`
	LangCode      string    `json:"lang_code,omitempty"`
	APIID         int32     `json:"api_id,omitempty"`
	Layer         int32     `json:"layer,omitempty"`
	IP            string    `json:"ip,omitempty"`
	Country       string    `json:"country,omitempty"`
	Region        string    `json:"region,omitempty"`
	SignedIn      time.Time `json:"signed_in,omitzero"`
	LastActive    time.Time `json:"last_active,omitzero"`
	ExpiresAt     time.Time `json:"expires_at,omitzero"` // unless it is used before
	Unconfirmed   bool      `json:"unconfirmed,omitempty"`
}

// envelope is the JSON form, which deploy/events/session-event.schema.json
// describes.
type envelope struct {
	Version int       `json:"v"`
	ID      string    `json:"id"` // 32 hex digits, its own for each event
	Type    string    `json:"type"`
	At      time.Time `json:"at"`
	Reason  string    `json:"reason,omitempty"`
	Actor   string    `json:"actor,omitempty"`
	Session Snapshot  `json:"session"`
}

// encode gives ev the form in which it is published.
func encode(id string, ev Event) ([]byte, error) {
	s := ev.Session
	for _, t := range []*time.Time{&s.SignedIn, &s.LastActive, &s.ExpiresAt} {
		if !t.IsZero() {
			*t = t.UTC().Truncate(time.Second)
		}
	}
	return json.Marshal(envelope{
		Version: version, ID: id, Type: ev.Type, At: ev.At.UTC().Truncate(time.Millisecond),
		Reason: ev.Reason, Actor: ev.Actor, Session: s,
	})
}

// insertBatch bounds a statement.
const insertBatch = 100

// Append writes events in the transaction of the change they tell of: they are
// published if it commits, and only then. Write them after the session's rows
// were locked or changed: events of a session then have the order of its
// changes.
func Append(ctx context.Context, tx sqlx.Session, list ...Event) error {
	for batch := range slices.Chunk(list, insertBatch) {
		args := make([]any, 0, 4*len(batch))
		for _, ev := range batch {
			id := newID()
			body, err := encode(id, ev)
			if err != nil {
				return fmt.Errorf("session event: %w", err)
			}
			args = append(args, ev.At.UnixMilli(), id, ev.Type, string(body))
		}
		_, err := tx.ExecCtx(ctx, "INSERT INTO session_events(created_at, event_id, type, body) VALUES "+
			strings.TrimSuffix(strings.Repeat("(?, ?, ?, ?), ", len(batch)), ", "), args...)
		if err != nil {
			return fmt.Errorf("session event: %w", err)
		}
	}
	return nil
}

func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	return hex.EncodeToString(b[:])
}
