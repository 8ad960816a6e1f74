package svc

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/zeromicro/go-zero/core/logx"

	"github.com/tgsession/tgsession/app/interface/session/internal/config"
	"github.com/tgsession/tgsession/app/interface/session/internal/dispatch"
	"github.com/tgsession/tgsession/app/interface/session/internal/releasecheck"
	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
	"github.com/tgsession/tgsession/app/internal/conf"
	"github.com/tgsession/tgsession/app/internal/rpcserver"
)

// Times of a start that asks BFFs for their release (Schema: auto).
const (
	releaseWait  = 30 * time.Second // until it gives up
	releaseAsk   = 5 * time.Second  // of one try, a hundred short calls
	releasePause = 2 * time.Second  // between tries
)

// FindRelease asks the BFFs of a configuration once from which shipped release they
// were built. It is for who has no node. An error is a *conf.KeyError of Schema, or
// says who else did not answer.
func FindRelease(ctx context.Context, c config.Config) (string, error) {
	s := Prepare(c, nil, rpcserver.PublishedAddress(c.ListenOn))
	defer s.Close()
	if err := s.dialBFFs(ctx); err != nil {
		return "", err
	}
	return s.findRelease(ctx, 0)
}

// findRelease asks the BFFs from which shipped release they were built, again and again
// for as long as wait says while one of them does not answer. Their answers have to fit
// one table set and no other: its release is returned, else a *conf.KeyError of Schema.
func (s *ServiceContext) findRelease(ctx context.Context, wait time.Duration) (string, error) {
	var bffs []releasecheck.BFF
	names := slices.Sorted(maps.Keys(s.bffs))
	for _, name := range names {
		bffs = append(bffs, releasecheck.BFF{Name: name, Conn: s.bffs[name]})
	}
	ctx = dispatch.WithCaller(ctx, s.Cluster.Self(), &sess.Meta{ReceiveTime: time.Now().Unix()})
	fit, err := askRelease(ctx, bffs, wait)
	who := "BFF " + strings.Join(names, ", ")
	const fix = "name the release that the BFF was built from"
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case err != nil:
		return "", &conf.KeyError{Key: "Schema", Problem: fmt.Sprintf("is auto, and nobody tells the release (%v)", err), Fix: "start the BFF, or " + fix}
	case len(fit) == 0:
		return "", &conf.KeyError{
			Key: "Schema", Problem: fmt.Sprintf("is auto, and no release that is built in fits the answers of %s", who),
			Fix: fix + ", or the path of a table set that lab tlgen has made of its .proto files",
		}
	case len(fit) > 1:
		return "", &conf.KeyError{
			Key: "Schema", Problem: fmt.Sprintf("is auto, and the answers of %s fit several releases: %s", who, strings.Join(slices.Concat(fit...), ", ")),
			Fix: fix + ", one of these",
		}
	}
	alike := ""
	if more := fit[0][1:]; len(more) > 0 {
		alike = ", and " + strings.Join(more, ", ") + ", which have the same tables"
	}
	logx.Infof("Schema is auto: the answers of %s fit release %s%s", who, fit[0][0], alike)
	return fit[0][0], nil
}

// askRelease asks until all BFFs have answered, and gives up after wait. Zero: it asks
// once.
func askRelease(ctx context.Context, bffs []releasecheck.BFF, wait time.Duration) (fit [][]string, err error) {
	releases, err := releasecheck.Shipped()
	if err != nil {
		return nil, err
	}
	end := time.Now().Add(wait)
	for {
		try, done := context.WithTimeout(ctx, releaseAsk)
		fit, err = releases.Find(try, bffs)
		done()
		if err == nil || time.Until(end) < releasePause {
			return fit, err
		}
		logx.Infof("Schema is auto: waiting up to %v more for an answer that tells the release: %v", time.Until(end).Round(time.Second), err)
		pause := time.NewTimer(releasePause)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return nil, errors.Join(ctx.Err(), err)
		}
	}
}
