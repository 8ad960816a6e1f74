package svc

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

// AskAuthSession reports whether an authsession answers. It asks gRPC's health service,
// which a stock one does not have: that is an answer, too. Without authsession no key
// that is new to this node can be served.
func (s *ServiceContext) AskAuthSession(ctx context.Context) (string, error) {
	if s.auth == nil {
		return "", errors.New("has not been dialled yet")
	}
	began := time.Now()
	_, err := grpc_health_v1.NewHealthClient(s.auth).Check(ctx, &grpc_health_v1.HealthCheckRequest{})
	switch status.Code(err) {
	case codes.Unavailable, codes.DeadlineExceeded, codes.Canceled:
		return "", fmt.Errorf("does not answer: %s", status.Convert(err).Message())
	}
	return fmt.Sprintf("answers, in %v", time.Since(began).Round(10*time.Microsecond)), nil
}
