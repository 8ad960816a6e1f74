package ctl

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/tgsession/tgsession/proto/admin"
)

// show prints an answer as -o says; rows begins with the titles.
func (r *request) show(out proto.Message, rows func() [][]string) error {
	if r.output == "json" {
		text, err := asJSON(out)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(r.stdout, indented(text, ""))
		return err
	}
	return r.rows(rows())
}

func (r *request) rows(list [][]string) error {
	w := tabwriter.NewWriter(r.stdout, 0, 0, 2, ' ', 0)
	for _, row := range list {
		for i, cell := range row {
			row[i] = printable(cell)
		}
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	return w.Flush()
}

// printable keeps what devices call themselves from steering the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '\uFFFD'
	}, s)
}

var sessionTitles = []string{"HASH", "USER", "TYPE", "DEVICE", "APP", "IP", "SIGNED IN", "LAST ACTIVE", "STATE"}

func sessionRow(s *pb.Session) []string {
	return []string{
		id(s.Hash), id(s.UserId), s.DeviceType, s.DeviceModel, strings.TrimSpace(s.AppName + " " + s.AppVersion),
		s.Ip, moment(s.SignedIn), moment(s.LastActive), cmp.Or(s.RevokeReason, state(s)),
	}
}

var endedTitles = slices.Insert(slices.Clone(sessionTitles), len(sessionTitles)-1, "ENDED")

func endedRow(s *pb.Session) []string {
	row := sessionRow(s)
	return slices.Insert(row, len(row)-1, moment(s.RevokedAt))
}

func state(s *pb.Session) string {
	switch {
	case s.RevokeReason != "":
		return "ended"
	case s.Unconfirmed:
		return "unconfirmed"
	}
	return "live"
}

func details(s *pb.Session) [][]string {
	rows := [][]string{
		{"hash", id(s.Hash)},
		{"user", id(s.UserId)},
		{"auth key", id(s.AuthKeyId)},
		{"state", state(s)},
		{"type", s.DeviceType},
		{"device", s.DeviceModel},
		{"platform", strings.TrimSpace(s.Platform + " " + s.SystemVersion)},
		{"app", strings.TrimSpace(s.AppName + " " + s.AppVersion)},
		{"api id", fmt.Sprint(s.ApiId)},
		{"layer", fmt.Sprint(s.Layer)},
		{"language", s.LangCode},
		{"ip", s.Ip},
		{"place", strings.Trim(s.Region+", "+s.Country, ", ")},
		{"signed in", moment(s.SignedIn)},
		{"last active", moment(s.LastActive)},
		{"expires", moment(s.ExpiresAt)},
		{"ended", moment(s.RevokedAt)},
		{"end reason", s.RevokeReason},
		{"ended by", s.RevokedBy},
		{"note", s.RevokeNote},
		{"ticket", s.RevokeTicket},
	}
	for _, a := range s.Addresses {
		rows = append(rows, []string{"used from", used(a)})
	}
	return slices.DeleteFunc(rows, func(row []string) bool { return row[1] == "" })
}

// used is an address with its place and times.
func used(a *pb.Address) string {
	text := a.GetIp()
	if place := strings.Trim(a.GetRegion()+", "+a.GetCountry(), ", "); place != "" {
		text += " (" + place + ")"
	}
	if a.GetFirstSeen() != nil {
		text += " from " + moment(a.GetFirstSeen())
	}
	return text + " to " + moment(a.GetLastSeen())
}

func policyRows(p *pb.Policy) [][]string {
	configured := func(s string) string {
		if s == "" || s == "0" {
			return "as configured"
		}
		return s
	}
	return [][]string{{"TTL DAYS", "STRATEGY", "LIMIT"}, {configured(fmt.Sprint(p.TtlDays)), configured(p.Strategy), configured(fmt.Sprint(p.Limit))}}
}

func statisticsRows(s *pb.Statistics) [][]string {
	rows := [][]string{{"SESSIONS", "COUNT"}, {"live", id(s.Live)}}
	for _, kind := range slices.Sorted(maps.Keys(s.LiveByDeviceType)) {
		rows = append(rows, []string{"  " + kind, id(s.LiveByDeviceType[kind])})
	}
	return append(rows, []string{"  unconfirmed", id(s.Unconfirmed)}, []string{"ended", id(s.Ended)}, []string{"counted", moment(s.CountedAt)})
}

func configRows(c *pb.Config) [][]string {
	return [][]string{
		{"SETTING", "VALUE"},
		{"Concurrency.Strategy", c.GetConcurrency().GetStrategy()},
		{"Concurrency.Limit", fmt.Sprint(c.GetConcurrency().GetLimit())},
		{"Sessions.TTLDays", fmt.Sprint(c.GetSessions().GetTtlDays())},
		{"Sessions.ConfirmWithin", c.GetSessions().GetConfirmWithin().AsDuration().String()},
		{"Touch.CacheInterval", c.GetTouch().GetCacheInterval().AsDuration().String()},
		{"Touch.DBInterval", c.GetTouch().GetDbInterval().AsDuration().String()},
		{"Cleanup.Enabled", fmt.Sprint(c.GetCleanUp().GetEnabled())},
		{"Cleanup.Period", c.GetCleanUp().GetPeriod().AsDuration().String()},
		{"Cleanup.InactiveAfter", c.GetCleanUp().GetInactiveAfter().AsDuration().String()},
		{"Cleanup.BatchSize", fmt.Sprint(c.GetCleanUp().GetBatchSize())},
		{"Cleanup.KeepEnded", c.GetCleanUp().GetKeepEnded().AsDuration().String()},
		{"least --older-than", c.GetCleanUp().GetLeastOlderThan().AsDuration().String()},
	}
}

func id(n int64) string { return strconv.FormatInt(n, 10) }

// moment prints a time in UTC, in any time zone of this host.
func moment(t *timestamppb.Timestamp) string {
	if t == nil {
		return ""
	}
	return t.AsTime().Format(time.RFC3339)
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
