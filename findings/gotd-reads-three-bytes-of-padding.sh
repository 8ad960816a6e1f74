#!/bin/bash
# gotd reads padded intermediate packets with at most three bytes of padding.
#
# In this transport 0 to 15 random bytes follow each packet, within its length.
# An encrypted message is 24 bytes and a multiple of 16, so that a reader can
# tell where it ends. gotd cuts the length to a multiple of four instead: of a
# longer padding up to 12 bytes stay at the message, which then does not
# decrypt, and the client gives the connection up. Its own packets carry at most
# three bytes. A gateway that serves gotd has to keep to that, too.
#
# Version: github.com/gotd/td v0.161.0.
# Seen:
#    0 bytes of padding: read        and so for 1 to 3
#    4 bytes of padding: invalid encrypted data padding        and so for 5 to 15
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
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"os"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/crypto"
	"github.com/gotd/td/proto/codec"
)

// read sends a message through the transport and says what the client makes of
// it.
func read(key crypto.AuthKey, padding int) string {
	var message bin.Buffer
	err := crypto.NewServerCipher(rand.Reader).Encrypt(key, crypto.EncryptedMessageData{
		MessageID:              1,
		MessageDataLen:         4,
		MessageDataWithPadding: []byte{1, 2, 3, 4},
	}, &message)
	if err != nil {
		return err.Error()
	}
	packet := binary.LittleEndian.AppendUint32(nil, uint32(message.Len()+padding))
	packet = append(packet, message.Buf...)
	packet = append(packet, make([]byte, padding)...)

	var got bin.Buffer
	if err := (codec.PaddedIntermediate{}).Read(bytes.NewReader(packet), &got); err != nil {
		return err.Error()
	}
	if _, err := crypto.NewClientCipher(rand.Reader).DecryptFromBuffer(key, &got); err != nil {
		return err.Error()
	}
	return "read"
}

func main() {
	var raw crypto.Key
	_, _ = rand.Read(raw[:])
	key := raw.WithID()
	changed := false
	for padding := range 16 {
		result := read(key, padding)
		fmt.Printf("%2d bytes of padding: %s\n", padding, result)
		changed = changed || (result == "read") != (padding < 4)
	}
	if changed {
		os.Exit(1)
	}
}
GO
GOFLAGS=-mod=mod CGO_ENABLED=0 go run .
