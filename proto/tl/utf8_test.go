package tl_test

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/tgsession/tgsession/proto/tl"
)

// A request whose strings are not UTF-8 would be refused by a server in Go. Each run of invalid bytes becomes one U+FFFD.
func TestRequestsAreUTF8(t *testing.T) {
	s := load(t, tl.Default)
	field := func(t *testing.T, message, name string, pb []byte) []byte {
		n, ok := s.FieldNumber(message, name)
		require.True(t, ok)
		return lastField(t, pb, n)
	}
	for name, text := range map[string]string{
		"empty":             "",
		"ascii":             "good morning",
		"cyrillic":          "Доброе утро, всем хорошего дня",
		"emoji":             "👍🏽",
		"one byte":          "\xff",
		"a run":             "before\xc3\x28\xa0\xa1after",
		"cut":               strings.Repeat("long enough to need two bytes of length; ", 4) + "Дa\xd0",
		"surrogate":         "\xed\xa0\x80",
		"overlong":          "\xc0\xaf",
		"grows over 127":    strings.Repeat("\x80a", 60),
		"all of it at once": strings.Repeat("\xfe", 4000),
		"a few kilobytes":   strings.Repeat("\xfe ", 4000),
	} {
		want := strings.ToValidUTF8(text, "\ufffd")
		t.Run(name, func(t *testing.T) {
			t.Run("string", func(t *testing.T) {
				m := s.MethodByName("account.checkUsername")[0]
				in := appendTLString(binary.LittleEndian.AppendUint32(nil, m.ID), []byte(text))
				pb, _, n, err := s.DecodeRequest(nil, in, tl.MaxOutput)
				require.NoError(t, err)
				require.Equal(t, len(in), n)
				require.Equal(t, want, string(field(t, m.Request.Name(), "username", pb)))
			})
			t.Run("wrapper", func(t *testing.T) {
				m := s.MethodByName("account.updateProfile")[0]
				in := binary.LittleEndian.AppendUint32(nil, m.ID)
				in = appendTLString(binary.LittleEndian.AppendUint32(in, 1<<2), []byte(text))
				pb, _, n, err := s.DecodeRequest(nil, in, tl.MaxOutput)
				require.NoError(t, err)
				require.Equal(t, len(in), n)
				require.Equal(t, want, string(lastField(t, field(t, m.Request.Name(), "about", pb), 1)))
			})
			t.Run("vector", func(t *testing.T) {
				in := binary.LittleEndian.AppendUint32(nil, 0xefea3803) // langpack.getStrings
				in = appendTLString(appendTLString(in, []byte("pack")), []byte("en"))
				in = binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(in, 0x1cb5c415), 2)
				in = appendTLString(appendTLString(in, []byte("before")), []byte(text))
				pb, _, n, err := s.DecodeRequest(nil, in, tl.MaxOutput)
				require.NoError(t, err)
				require.Equal(t, len(in), n)
				require.Equal(t, want, string(field(t, "TL_langpack_getStrings", "keys", pb)))
			})
		})
	}
	t.Run("bytes stay", func(t *testing.T) {
		in := binary.LittleEndian.AppendUint32(nil, s.MethodByName("upload.saveFilePart")[0].ID)
		in = appendTLString(append(in, make([]byte, 12)...), []byte("\xff\xfe"))
		pb, _, _, err := s.DecodeRequest(nil, in, tl.MaxOutput)
		require.NoError(t, err)
		n, _ := s.FieldNumber("TL_upload_saveFilePart", "bytes")
		require.Equal(t, "\xff\xfe", string(lastField(t, pb, n)))
	})
	t.Run("the key exchange stays", func(t *testing.T) {
		in := binary.LittleEndian.AppendUint32(nil, s.MethodByName("set_client_DH_params")[0].ID)
		in = appendTLString(append(in, make([]byte, 32)...), []byte("\xff\xfe"))
		pb, _, _, err := s.DecodeRequest(nil, in, tl.MaxOutput)
		require.NoError(t, err)
		require.Equal(t, "\xff\xfe", string(field(t, "TL_set_client_DH_params", "encrypted_data", pb)))
	})
	t.Run("results stay", func(t *testing.T) {
		in := appendTLString(binary.LittleEndian.AppendUint32(nil, 0x2144ca19), nil)
		in = appendTLString(append(in[:4], 1, 0, 0, 0), []byte("\xff\xfe"))
		pb, _, err := s.Decode(nil, s.Message("RpcError"), in)
		require.NoError(t, err)
		n, _ := s.FieldNumber("RpcError", "error_message")
		require.Equal(t, "\xff\xfe", string(lastField(t, pb, n)))
	})
}

// lastField returns the last length-delimited field n of a message.
func lastField(t *testing.T, pb []byte, n int) (v []byte) {
	for len(pb) > 0 {
		num, typ, size := protowire.ConsumeTag(pb)
		require.Positive(t, size)
		pb = pb[size:]
		size = protowire.ConsumeFieldValue(num, typ, pb)
		require.Positive(t, size)
		if int(num) == n && typ == protowire.BytesType {
			v, _ = protowire.ConsumeBytes(pb)
		}
		pb = pb[size:]
	}
	return v
}
