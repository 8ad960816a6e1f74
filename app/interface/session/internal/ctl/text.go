package ctl

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/tgsession/tgsession/app/interface/session/internal/inside"
)

func topOptions(flags *flag.FlagSet) func() url.Values {
	by := flags.String("by", "outbox", "what counts: `outbox` (bytes for clients), calls (at BFFs) or mailbox (bytes that wait)")
	n := flags.Int("n", 20, "how many `keys`, 200 at most")
	return func() url.Values { return url.Values{"by": {*by}, "n": {strconv.Itoa(*n)}} }
}

func endedOptions(flags *flag.FlagSet) func() url.Values {
	key := flags.String("key", "", "only those of an auth key `id`")
	reason := flags.String("reason", "", "only for a `reason`: "+strings.Join(inside.Reasons(), ", "))
	n := flags.Int("n", 100, "how many `sessions`, 10000 at most")
	return func() url.Values {
		return url.Values{"key": {*key}, "reason": {*reason}, "n": {strconv.Itoa(*n)}}
	}
}

// table prints rows whose cells stand below each other.
func table(w io.Writer, rows func(row func(cells ...any))) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	rows(func(cells ...any) {
		text := make([]string, len(cells))
		for i, c := range cells {
			text[i] = fmt.Sprint(c)
		}
		fmt.Fprintln(t, strings.TrimRight(strings.Join(text, "\t"), "\t "))
	})
	return t.Flush()
}

// yes is a list of what is true.
func yes(facts ...any) string {
	var list []string
	for i := 0; i < len(facts); i += 2 {
		if facts[i+1].(bool) {
			list = append(list, facts[i].(string))
		}
	}
	return strings.Join(list, ",")
}

func span(ms int64) time.Duration {
	d := time.Duration(ms) * time.Millisecond
	if d > time.Minute {
		return d.Round(time.Second)
	}
	return d
}

func keyText(w io.Writer, body []byte) error {
	var p inside.Key
	if err := json.Unmarshal(body, &p); err != nil {
		return err
	}
	owner := p.Owner
	if p.Mine {
		owner += " (this node)"
	}
	err := table(w, func(row func(...any)) {
		row("key", p.ID)
		if p.Asked != p.ID {
			row("asked for", p.Asked, p.Bound)
		}
		row("owner", owner)
		row("where", strings.TrimSpace(p.Where+" "+p.To), yes("guest", p.Guest, "doubted", p.Doubted))
		row("online user", p.Online)
		row("mailbox", fmt.Sprintf("%d items, %d bytes", p.Mailbox.Items, p.Mailbox.Bytes))
		if s := p.State; s != nil {
			row("login", s.State, fmt.Sprintf("user %d, layer %d", s.UserID, s.Layer))
			row("calls", fmt.Sprintf("%d waiting, %d at a BFF, %d promised; %d to authsession", s.Calls.Waiting, s.Calls.AtBFF, s.Calls.Promised, s.PeerCalls))
			row("updates", fmt.Sprintf("%d held", s.HeldPushes), yes("lost", s.UpdatesLost))
			row("outboxes", fmt.Sprintf("%d bytes", s.OutboxBytes))
			if s.WakesIn >= 0 {
				row("wakes in", span(s.WakesIn))
			}
		}
	})
	if err != nil || p.State == nil {
		return err
	}
	fmt.Fprintln(w)
	err = table(w, func(row func(...any)) {
		row("TRANSPORT KEY", "KIND", "SESSION", "ONLINE", "SEEN", "GATEWAY", "CLIENT", "LAYER", "WINDOW", "QUEUED", "UNACKED", "BYTES", "OLDEST", "ACKS", "HTTP", "")
		for _, k := range p.State.TransportKeys {
			for _, s := range k.Sessions {
				row(k.ID, k.Kind, s.ID, s.Online, span(s.LastSeen), dash(s.Gateway), dash(s.ClientIP), s.Layer, s.Window.Messages, s.Outbox.Queued, s.Outbox.Unacked,
					s.Outbox.Bytes, span(s.Outbox.OldestMs), s.Acks, s.HTTPRequests, yes("updates", s.TakesUpdates, "gap", s.UpdatesLost, "ended", s.LoginEnded))
			}
		}
	})
	if err != nil || len(p.State.Calls.List) == 0 {
		return err
	}
	fmt.Fprintln(w)
	return table(w, func(row func(...any)) {
		row("CALL", "SESSION", "MESSAGE", "PHASE", "AGE")
		for _, c := range p.State.Calls.List {
			row(c.Method, c.SessionID, c.MsgID, c.Phase, span(c.Age))
		}
	})
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func topText(w io.Writer, body []byte) error {
	var p inside.Top
	if err := json.Unmarshal(body, &p); err != nil {
		return err
	}
	fmt.Fprintf(w, "%d keys looked at in %.1f ms, by %s\n\n", p.Keys, p.TookMs, p.By)
	return table(w, func(row func(...any)) {
		row("KEY", "USER", "OUTBOX BYTES", "CALLS", "MAILBOX", "BYTES")
		for _, k := range p.Largest {
			row(k.ID, k.OnlineUser, k.OutboxBytes, k.CallsAtBFF, k.Mailbox.Items, k.Mailbox.Bytes)
		}
	})
}

func endedText(w io.Writer, body []byte) error {
	var p inside.Ended
	if err := json.Unmarshal(body, &p); err != nil {
		return err
	}
	fmt.Fprintf(w, "%d sessions have ended since the start, the last %d are known\n\n", p.Total, p.Kept)
	return table(w, func(row func(...any)) {
		row("ENDED", "REASON", "KEY", "TRANSPORT KEY", "SESSION", "USER", "GATEWAY", "MOVED TO")
		for _, s := range p.Sessions {
			row(s.At.Format(time.RFC3339), s.Reason, s.Key, s.AuthKeyID, s.SessionID, s.UserID, dash(s.Gateway), s.MovedTo)
		}
	})
}

func ringText(w io.Writer, body []byte) error {
	var p inside.Ring
	if err := json.Unmarshal(body, &p); err != nil {
		return err
	}
	facts := yes("converging", p.Converging, "left", p.Left, "lease overdue", p.Overdue, "paused", p.Paused)
	if facts == "" {
		facts = "settled"
	}
	fmt.Fprintf(w, "epoch %d, %s; fetching %d keys, offered %d, %d bytes parked, %d to be sent on\n\n",
		p.Epoch, facts, p.Moves.Fetches, p.Moves.Offers, p.Moves.ParkedBytes, p.Moves.ForwardBytes)
	return table(w, func(row func(...any)) {
		row("NODE", "SHARE", "")
		for _, n := range p.Nodes {
			row(n.Node, fmt.Sprintf("%.1f %%", 100*n.Share), yes("this node", n.Self))
		}
		for _, past := range p.Past {
			row("until "+span(past.EndedMs).String()+" ago", "", strings.Join(past.Nodes, " "))
		}
	})
}

func queuesText(w io.Writer, body []byte) error {
	var p inside.Queues
	if err := json.Unmarshal(body, &p); err != nil {
		return err
	}
	err := table(w, func(row func(...any)) {
		row("QUEUE", "RUNNING", "WAITING", "BYTES")
		row("API calls", p.Calls.Running, p.Calls.Waiting, p.Calls.Bytes)
		row("authsession", p.Peers.Running, p.Peers.Waiting, "-")
		row("key lookups", p.Lookups.Running, p.Lookups.Waiting, p.LookupBytes)
		row("to be sent on", "-", "-", p.Moves.ForwardBytes)
		row("parked pushes", "-", "-", p.Moves.ParkedBytes)
		row("keys on their way", p.Moves.Fetches, p.Moves.Offers, "-")
		row("HTTP requests", p.HTTPRequests, "-", "-")
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "\n%d keys in memory, links to %d gateways\n\n", p.Keys, p.GatewayLinks)
	return table(w, func(row func(...any)) {
		row("GATEWAY", "MODE", "PACKETS", "BYTES", "KEYS", "UNREAD", "DOWN", "IDLE", "")
		for _, g := range p.Gateways {
			row(g.Gateway, g.Mode, g.Packets, g.Bytes, g.Keys, span(g.UnreadMs), span(g.DownMs), span(g.IdleMs), yes("not listed", !g.Listed))
		}
	})
}
