package tlgencmd

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/gotd/td/bin"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/tgsession/tgsession/proto/tl"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func small(out string) []string {
	const dir = "testdata/small/"
	return []string{
		"--proto", dir + "proto", "--tl", dir + "api.tl", dir + "layer10.tl", "--release", "small",
		"--tl", dir + "core.tl", "-o", out,
	}
}

// A release made for this test, with every kind of field, every shape of message and everything that can go wrong short
// of a fatal error: the set and the report are golden files.
func TestSmall(t *testing.T) {
	out := filepath.Join(t.TempDir(), "small.tls")
	var report, errs bytes.Buffer
	require.Equal(t, exitOK, Run(small(out), &report, &errs), errs.String())
	require.Empty(t, errs.String())
	set, err := os.ReadFile(out)
	require.NoError(t, err)
	for name, have := range map[string][]byte{"small.tls": set, "report.txt": report.Bytes()} {
		golden := filepath.Join("testdata", "small", name)
		if *update {
			require.NoError(t, os.WriteFile(golden, have, 0o644))
		}
		want, err := os.ReadFile(golden)
		require.NoError(t, err)
		require.Equal(t, string(want), string(have), golden)
	}
}

// Ids of the small release whose text gives them.
const (
	idThing      = 0xda10eef1
	idThingEmpty = 0xb257751c
	idThingMany  = 0x67043924
	idItem10     = 0x3972e383
	idItem12     = 0xe9eff121
	idItemInt    = 0x0000b001
	idTrue       = 0x997275b5
	idBuy10      = 0x6068bcd5
)

func openSmall(t *testing.T) *tl.Schema {
	t.Helper()
	out := filepath.Join(t.TempDir(), "small.tls.zst")
	var errs bytes.Buffer
	require.Equal(t, exitOK, Run(small(out), &bytes.Buffer{}, &errs), errs.String())
	s, err := tl.Open(out)
	require.NoError(t, err)
	return s
}

func write(put ...func(*bin.Buffer)) []byte {
	var b bin.Buffer
	for _, p := range put {
		p(&b)
	}
	return b.Buf
}

func id(v uint32) func(*bin.Buffer)      { return func(b *bin.Buffer) { b.PutID(v) } }
func num(v int) func(*bin.Buffer)        { return func(b *bin.Buffer) { b.PutInt(v) } }
func long(v int64) func(*bin.Buffer)     { return func(b *bin.Buffer) { b.PutLong(v) } }
func double(v float64) func(*bin.Buffer) { return func(b *bin.Buffer) { b.PutDouble(v) } }
func str(v string) func(*bin.Buffer)     { return func(b *bin.Buffer) { b.PutString(v) } }
func vec(n int) func(*bin.Buffer)        { return func(b *bin.Buffer) { b.PutVectorHeader(n) } }
func join2(l ...[]byte) []byte           { return bytes.Join(l, nil) }
func raw(v ...byte) func(*bin.Buffer)    { return func(b *bin.Buffer) { b.Put(v) } }
func value(field int, v []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, protowire.Number(field), protowire.BytesType), v)
}

func varint(field int, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, protowire.Number(field), protowire.VarintType), v)
}

func object(predicate string, id uint32) []byte {
	return join2(value(1, []byte(predicate)), varint(2, uint64(int64(int32(id)))))
}

// The set is not only right on paper: values written by hand go through it both ways.
func TestSmallTranscodes(t *testing.T) {
	s := openSmall(t)
	item := write(id(idItem12), long(9), str("EUR"))
	many := join2(write(id(idThingMany), num(1<<1|1<<2), raw(1, 0, 0, 0x80), long(7), long(1<<40), str("n"),
		num(0), long(3), double(0.5), str("\xff\x00"), id(idTrue),
		id(idThingEmpty), vec(2), id(idThingEmpty), id(idThingEmpty),
		vec(1), str("w"), vec(1), str("\xfe"), vec(2), num(1), num(-1), vec(1), long(1), id(idTrue)), item)
	pb, n, err := s.Decode(nil, s.Message("Thing"), many)
	require.NoError(t, err)
	require.Equal(t, len(many), n)
	empty, yes := object("thingEmpty", idThingEmpty), object("boolTrue", idTrue)
	half := protowire.AppendFixed64(protowire.AppendTag(nil, 1, protowire.Fixed64Type), 0x3fe0000000000000)
	require.Equal(t, join2(object("thingMany", idThingMany), varint(3, 7), varint(8, 1<<40), value(9, []byte("n")),
		value(10, nil), value(11, varint(1, 3)), value(12, half), value(13, []byte("\xff\x00")), value(14, yes),
		value(15, empty), value(16, empty), value(16, empty), value(17, []byte("w")), value(18, []byte("\xfe")),
		value(19, append([]byte{1}, protowire.AppendVarint(nil, 1<<64-1)...)), value(20, []byte{1}), varint(21, 1), value(22, yes),
		value(23, join2(object("shop_item", idItem12), varint(3, 9), value(4, []byte("EUR"))))), pb)
	back, err := s.Encode(nil, s.Message("Thing"), pb, 12)
	require.NoError(t, err)
	require.Equal(t, many, back)

	t.Run("bits of both layers", func(t *testing.T) {
		in := write(id(idThing), num(1<<5|1<<6|1), long(1), num(2), str(""), double(0))
		pb, _, err := s.Decode(nil, s.Message("Thing"), in)
		require.NoError(t, err)
		require.Equal(t, join2(object("thing", idThing), varint(3, 1), varint(4, 1), varint(5, 2), value(6, nil), varint(24, 1)), pb)
		for _, layer := range []int{10, 11, 12} {
			back, err := s.Encode(nil, s.Message("Thing"), pb, layer)
			require.NoError(t, err)
			require.Equal(t, in, back)
		}
	})
	t.Run("older layer", func(t *testing.T) {
		pb, _, err := s.Decode(nil, s.Message("shop_Item"), item)
		require.NoError(t, err)
		for layer, want := range map[int][]byte{10: write(id(idItem10), long(9)), 11: write(id(idItem10), long(9)), 12: item} {
			back, err := s.Encode(nil, s.Message("shop_Item"), pb, layer)
			require.NoError(t, err)
			require.Equal(t, want, back, layer)
		}
	})
	t.Run("read only version", func(t *testing.T) {
		pb, _, err := s.Decode(nil, s.Message("shop_Item"), write(id(idItemInt), num(4)))
		require.NoError(t, err)
		require.Equal(t, join2(object("shop_item", idItemInt), varint(5, 4)), pb)
	})
	t.Run("bare vector", func(t *testing.T) {
		in := write(id(0xa002), num(5), num(1), num(6), long(7))
		pb, _, err := s.Decode(nil, s.Message("Salts"), in)
		require.NoError(t, err)
		back, err := s.Encode(nil, s.Message("Salts"), pb, 10)
		require.NoError(t, err)
		require.Equal(t, in, back)
	})
	t.Run("method split by id", func(t *testing.T) {
		pb, m, _, err := s.DecodeRequest(nil, join2(write(id(idBuy10)), item), tl.MaxOutput)
		require.NoError(t, err)
		require.Equal(t, "TL_shop_buy6068BCD5", m.Request.Name())
		require.Equal(t, "/mtproto.RPCShop/shop_buy6068BCD5", m.Path)
		require.Equal(t, "Bool", m.Reply.Name())
		back, err := s.Encode(nil, m.Request, pb, s.MaxLayer())
		require.NoError(t, err)
		require.Equal(t, join2(write(id(idBuy10)), item), back)
	})
	t.Run("wrapper", func(t *testing.T) {
		pb, m, _, err := s.DecodeRequest(nil, write(id(0xa004), long(3), str("query")), tl.MaxOutput)
		require.NoError(t, err)
		require.True(t, m.Wrapper())
		require.Equal(t, join2(varint(1, 0xa004), varint(3, 3), value(4, write(str("query")))), pb)
	})
	t.Run("vector result", func(t *testing.T) {
		m := s.MethodByName("things.names")[0]
		pb, _, err := s.Decode(nil, m.Reply, write(vec(2), str("a"), str("")))
		require.NoError(t, err)
		require.Equal(t, join2(value(1, []byte("a")), value(1, nil)), pb)
	})
}
