package ctl

import (
	"context"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// change defines the flags of commands that change something: what is said of it, and
// the key by which a repetition is known.
func (r *request) change(reason, ticket *string) {
	r.StringVar(reason, "reason", "", "`text` that is kept with the change")
	r.StringVar(ticket, "ticket", "", "`number` of the ticket in which it was asked for, kept likewise")
	r.StringVar(&r.idempotency, "idempotency-key", "", "`key` of your choice: a command that is repeated with it within a day does nothing twice, and shows the same")
}

// numbered gives the next call its key: a command may need several calls.
func (r *request) numbered(ctx context.Context) context.Context {
	if r.idempotency == "" {
		return ctx
	}
	key := r.idempotency
	if r.calls++; r.calls > 1 {
		key += "/" + strconv.Itoa(r.calls)
	}
	return metadata.AppendToOutgoingContext(ctx, "idempotency-key", key)
}

// moment defines a flag for a time: a date, or how long ago.
func (r *request) moment(to **timestamppb.Timestamp, name, about string) {
	r.Func(name, about+": a `time` like 2026-01-31T00:00:00Z, or how long ago, as 48h", func(value string) error {
		if ago, err := time.ParseDuration(value); err == nil {
			*to = timestamppb.New(time.Now().Add(-ago).Truncate(time.Second))
			return nil
		}
		at, err := time.Parse(time.RFC3339, value)
		if err == nil {
			*to = timestamppb.New(at)
		}
		return err
	})
}

// words collects a flag that may come more than once, or with commas.
type words []string

func (w *words) String() string { return strings.Join(*w, ",") }

func (w *words) Set(value string) error {
	*w = append(*w, strings.FieldsFunc(value, func(r rune) bool { return r == ' ' || r == ',' })...)
	return nil
}

// numbers is words that are numbers.
type numbers []int64

func (n *numbers) String() string { return "" }

func (n *numbers) Set(value string) error {
	var list words
	_ = list.Set(value)
	for _, text := range list {
		one, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return err
		}
		*n = append(*n, one)
	}
	return nil
}
