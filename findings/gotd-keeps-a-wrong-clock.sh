#!/bin/bash
# gotd never corrects its clock, and does not hear that it is wrong.
#
# A client learns the server's time in the key exchange, from bad_msg_notification
# 16 and 17, and from each id of the server's; the documentation ("Notice of
# Ignored Error Message") has it correct its msg_ids and repeat the call. gotd
# hands codes 16 and 17 to the caller as an error and makes the next msg_id by
# the same clock. It also throws away unread each message of the server that by
# its own clock is more than 300 s old or 30 s early, notices about the clock
# among them. With a clock that is a minute behind its calls are good for the
# server, which carries them out; gotd repeats them under the same ids, and never
# looks at an answer.
#
# So a server sees repetitions and no acknowledgments from such a client, and
# cannot help it; it has to know the repetitions by their ids.
#
# The peer here is an object in place of the transport, with the client's key.
#
# Version: github.com/gotd/td v0.161.0.
# Seen:
#   clock right: call 1: answered, call 2: answered
#   60 s ahead: call 1: msg_id too high, call 2: msg_id too high
#   600 s ahead: call 1: retry limit reached, call 2: retry limit reached
#   60 s behind: call 1: retry limit reached, call 2: retry limit reached; the server answered each
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
cat > go.mod <<'MOD'
module finding

go 1.25

require github.com/gotd/td v0.161.0
MOD

cat > main.go <<'GO'
package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/clock"
	"github.com/gotd/td/crypto"
	"github.com/gotd/td/mt"
	"github.com/gotd/td/mtproto"
	"github.com/gotd/td/proto"
	"github.com/gotd/td/transport"
)

// wrongClock is the system's clock, ahead.
type wrongClock struct {
	clock.Clock
	ahead time.Duration
}

func (c wrongClock) Now() time.Time { return c.Clock.Now().Add(c.ahead) }

// peer is the server, with the right time, in place of a transport.
type peer struct {
	key      crypto.AuthKey
	packets  chan []byte
	answered map[int64]bool // calls that got an rpc_result
}

func (p *peer) Close() error { return nil }

func (p *peer) Recv(ctx context.Context, b *bin.Buffer) error {
	select {
	case packet := <-p.packets:
		b.ResetTo(packet)
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *peer) Send(_ context.Context, b *bin.Buffer) error {
	message, err := crypto.NewServerCipher(rand.Reader).DecryptFromBuffer(p.key, &bin.Buffer{Buf: bytes.Clone(b.Buf)})
	if err != nil {
		return err
	}
	body := &bin.Buffer{Buf: message.Data()}
	if id, err := body.PeekID(); err != nil || id != mt.RPCDropAnswerRequestTypeID {
		return err // a ping or an acknowledgment
	}
	var answer bin.Buffer
	ahead := time.Until(proto.MessageID(message.MessageID).Time())
	switch {
	case ahead > 30*time.Second:
		err = (&mt.BadMsgNotification{BadMsgID: message.MessageID, BadMsgSeqno: int(message.SeqNo), ErrorCode: 17}).Encode(&answer)
	default:
		var unknown bin.Buffer
		_ = (&mt.RPCAnswerUnknown{}).Encode(&unknown)
		err = (&proto.Result{RequestMessageID: message.MessageID, Result: unknown.Buf}).Encode(&answer)
		p.answered[message.MessageID] = true
	}
	if err != nil {
		return err
	}
	var packet bin.Buffer
	err = crypto.NewServerCipher(rand.Reader).Encrypt(p.key, crypto.EncryptedMessageData{
		SessionID:              message.SessionID,
		MessageID:              int64(proto.NewMessageID(time.Now(), proto.MessageServerResponse)),
		SeqNo:                  1,
		MessageDataLen:         int32(answer.Len()),
		MessageDataWithPadding: answer.Buf,
	}, &packet)
	p.packets <- packet.Buf
	return err
}

type ignore struct{}

func (ignore) OnMessage(*bin.Buffer) error     { return nil }
func (ignore) OnSession(mtproto.Session) error { return nil }

// calls makes two calls with a clock that is ahead. It returns their outcomes
// and how many of them the server answered.
func calls(ahead time.Duration) (outcomes []string, answered int) {
	var raw crypto.Key
	_, _ = rand.Read(raw[:])
	p := &peer{key: raw.WithID(), packets: make(chan []byte, 100), answered: map[int64]bool{}}
	conn := mtproto.New(func(context.Context) (transport.Conn, error) { return p, nil }, mtproto.Options{
		Key: p.key, Salt: 1, Handler: ignore{}, Clock: wrongClock{clock.System, ahead},
		RetryInterval: 300 * time.Millisecond, MaxRetries: 3,
	})
	done := errors.New("done")
	_ = conn.Run(context.Background(), func(ctx context.Context) error {
		for range 2 {
			var box mt.RPCDropAnswerBox
			err := conn.Invoke(ctx, &mt.RPCDropAnswerRequest{ReqMsgID: 4}, &box)
			outcome := "answered"
			if err != nil {
				text := err.Error()
				outcome = text
				for _, known := range []string{"msg_id too high", "retry limit reached"} {
					if strings.Contains(text, known) {
						outcome = known
					}
				}
			}
			outcomes = append(outcomes, outcome)
		}
		return done
	})
	return outcomes, len(p.answered)
}

func main() {
	asSeen := true
	for _, c := range []struct {
		name     string
		ahead    time.Duration
		outcome  string
		answered int
	}{
		{"clock right", 0, "answered", 2},
		{"60 s ahead", time.Minute, "msg_id too high", 0},
		{"600 s ahead", 10 * time.Minute, "retry limit reached", 0},
		{"60 s behind", -time.Minute, "retry limit reached", 2},
	} {
		outcomes, answered := calls(c.ahead)
		fmt.Printf("%s: call 1: %s, call 2: %s", c.name, outcomes[0], outcomes[1])
		if c.ahead < 0 && answered == 2 {
			fmt.Print("; the server answered each")
		}
		fmt.Println()
		asSeen = asSeen && outcomes[0] == c.outcome && outcomes[1] == c.outcome && answered == c.answered
	}
	if !asSeen {
		os.Exit(1)
	}
}
GO
GOFLAGS=-mod=mod CGO_ENABLED=0 go run .
