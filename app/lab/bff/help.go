package bff

import (
	"context"
	"net"
	"strconv"

	"github.com/gotd/td/tg"
)

// configTTL is how long clients keep the configuration, in seconds.
const configTTL = 3600

func (s *Server) registerHelp() {
	s.methods.OnHelpGetConfig(s.getConfig)
	s.methods.OnHelpGetNearestDC(s.getNearestDC)
	s.methods.OnHelpGetCDNConfig(s.getCDNConfig)
}

func (s *Server) getConfig(ctx context.Context) (*tg.Config, error) {
	return &tg.Config{
		Date:                 now(),
		Expires:              now() + configTTL,
		ThisDC:               s.here(ctx),
		DCOptions:            s.dcOptions(),
		DCTxtDomainName:      "localhost",
		ChatSizeMax:          200,
		MegagroupSizeMax:     200000,
		ForwardedCountMax:    100,
		OnlineUpdatePeriodMs: 210000,
		OfflineBlurTimeoutMs: 5000,
		OfflineIdleTimeoutMs: 30000,
		OnlineCloudTimeoutMs: 300000,
		NotifyCloudDelayMs:   30000,
		NotifyDefaultDelayMs: 1500,
		PushChatPeriodMs:     60000,
		PushChatLimit:        2,
		EditTimeLimit:        172800,
		RevokeTimeLimit:      172800,
		RevokePmTimeLimit:    172800,
		RatingEDecay:         2419200,
		StickersRecentLimit:  200,
		CallReceiveTimeoutMs: 20000,
		CallRingTimeoutMs:    90000,
		CallConnectTimeoutMs: 30000,
		CallPacketTimeoutMs:  10000,
		MeURLPrefix:          "https://localhost/",
		CaptionLengthMax:     1024,
		MessageLengthMax:     maxMessage,
		WebfileDCID:          s.cfg.DC,
	}, nil
}

// dcOption is where a data centre's gateway is; nothing when addr is no
// host:port.
func dcOption(dc int, addr string) []tg.DCOption {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return nil
	}
	ip := net.ParseIP(host)
	return []tg.DCOption{{
		ID:        dc,
		IPAddress: host,
		Port:      number,
		Ipv6:      ip != nil && ip.To4() == nil,
		Static:    true,
	}}
}

func (s *Server) getNearestDC(ctx context.Context) (*tg.NearestDC, error) {
	return &tg.NearestDC{ThisDC: s.here(ctx), NearestDC: s.cfg.DC}, nil
}

// getCDNConfig is SlowMethod.
func (s *Server) getCDNConfig(context.Context) (*tg.CDNConfig, error) {
	return &tg.CDNConfig{}, nil
}
