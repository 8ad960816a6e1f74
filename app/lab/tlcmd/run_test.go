package tlcmd_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/lab/tlcmd"
	"github.com/tgsession/tgsession/proto/tl"
)

var rewrite = flag.Bool("rewrite", false, "rewrite the goldens in testdata")

const engine = "../../../proto/tl/testdata"

func run(t testing.TB, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = tlcmd.Run(args, strings.NewReader(stdin), &out, &errs)
	return code, out.String(), errs.String()
}

func lines(t testing.TB, vectors string) string {
	f, err := os.Open(filepath.Join(engine, "vectors", vectors))
	require.NoError(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	require.NoError(t, err)
	b, err := io.ReadAll(z)
	require.NoError(t, err)
	return string(b)
}

func TestTranscodeVectors(t *testing.T) {
	for _, set := range []struct{ tables, vectors string }{
		{"0.223.1", "223.jsonl.gz"},
		{"0.222.3", "222.jsonl.gz"},
		{filepath.Join(engine, "0.139.4.tls"), "139.jsonl.gz"},
		{"../../../proto/tl/schema/0.223.1.tls.zst", "223.jsonl.gz"},
	} {
		t.Run(set.tables, func(t *testing.T) {
			in := lines(t, set.vectors)
			code, out, errs := run(t, in, "transcode", "--tables", set.tables)
			require.Equal(t, 0, code, errs)
			answers := strings.Split(strings.TrimSpace(out), "\n")
			differ := 0
			for i, q := range strings.Split(strings.TrimSpace(in), "\n") {
				var v, a map[string]any
				require.NoError(t, json.Unmarshal([]byte(q), &v))
				require.NoError(t, json.Unmarshal([]byte(answers[i]), &a))
				require.Equal(t, v["name"], a["name"])
				want := v["pb_hex"]
				if v["direction"] == "pb2tl" {
					want = v["tl_hex"]
				}
				if a["out_hex"] != want {
					differ++
				}
			}
			if strings.Contains(set.tables, "139") {
				require.Equal(t, 7, differ, "the engine's own tests name these")
			} else {
				require.Zero(t, differ)
			}
		})
	}
}

func TestTranscodeAnswersErrors(t *testing.T) {
	code, out, _ := run(t, `{"name":"a","direction":"tl2pb","message":"User","tl_hex":"00000000"}
{"name":"b","direction":"tl2pb","message":"Bool","tl_hex":"b5757299ff"}
{"name":"c","direction":"sideways","message":"Bool","tl_hex":""}
nonsense

{"name":"d","direction":"pb2tl","layer":223,"message":"Bool","pb_hex":"0a08626f6f6c54727565"}
{"name":"e","direction":"pb2tl","layer":223,"message":"Nothing","pb_hex":""}
{"name":"f","direction":"tl2pb","message":"Vector_Int","tl_hex":"15c4b51c00000000"}`, "transcode")
	require.Equal(t, 0, code)
	require.Equal(t, `{"name":"a","error":"tl: unknown constructor 00000000 at offset 0"}
{"name":"b","error":"tl: 1 bytes follow the object that ends at offset 4"}
{"name":"c","error":"unknown direction \"sideways\""}
{"name":"","error":"malformed question: invalid character 'o' in literal null (expecting 'u')"}
{"name":"d","out_hex":"b5757299"}
{"name":"e","error":"tl: unknown message \"Nothing\""}
{"name":"f","out_hex":""}
`, out)
}

// A peer may wait for each answer before it asks again.
func TestTranscodeFlushes(t *testing.T) {
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	done := make(chan int)
	go func() {
		done <- tlcmd.Run([]string{"transcode"}, inR, outW, io.Discard)
		outW.Close()
	}()
	answers := bufio.NewReader(outR)
	for i := range 3 {
		fmt.Fprintf(inW, `{"name":"%d","direction":"tl2pb","message":"Bool","tl_hex":"b5757299"}`+"\n", i)
		line, err := answers.ReadString('\n')
		require.NoError(t, err)
		require.Contains(t, line, fmt.Sprintf(`"name":"%d"`, i))
	}
	inW.Close()
	require.Equal(t, 0, <-done)
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{{"help"}, {"--help"}, {"-h"}, {"transcode", "--help"}, {"decode", "-h"}} {
		code, out, errs := run(t, "", args...)
		require.Equal(t, 0, code, args)
		require.Contains(t, out, "usage:", args)
		require.Empty(t, errs, args)
	}
	for _, args := range [][]string{{}, {"unknown"}, {"transcode", "extra"}, {"decode", "00", "01"}, {"decode", "-bad"}, {"transcode", "--tables"}} {
		code, out, errs := run(t, "", args...)
		require.Equal(t, 2, code, args)
		require.Contains(t, errs, "usage:", args)
		require.Empty(t, out, args)
	}
	code, _, errs := run(t, "", "transcode", "--tables", "/does/not/exist")
	require.Equal(t, 1, code)
	require.Contains(t, errs, "no such file")
}

// Goldens: testdata/decode-NAME.txt for the payloads below.
func TestDecode(t *testing.T) {
	signIn := "51a9528d" + // auth.signIn
		"01000000" + "0c" + hex.EncodeToString([]byte("+15550000001")) + "000000" + "0461626364000000" + "053132333435" + "0000"
	ack := "59b4d662" + "15c4b51c" + "01000000" + "0100000000000068"
	wrapped := "0d0d9bda" + "df000000" + signIn
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write(unhex(t, "15c4b51c02000000"+"7a4bbcd3"+"aabbccdd00112233"+"7a4bbcd3"+"0000000000000000"))
	require.NoError(t, z.Close())
	result := "016d5cf3" + "0400000000000068" + "a1cf7230" + hex.EncodeToString(tlString(packed.Bytes()))
	container := "dcf8f173" + "02000000" + message(1, ack) + message(2, wrapped)

	for name, in := range map[string]string{
		"request":    signIn,
		"container":  container,
		"result":     result,
		"truncated":  signIn[:len(signIn)-8],
		"unknown":    "59b4d662" + "15c4b51c" + "00000000" + "efbeadde" + "0011",
		"plain":      "0000000000000000" + "0100000000000068" + "14000000" + "f18e7ebe" + "000102030405060708090a0b0c0d0e0f",
		"bare":       "950850ae" + "0100000000000068" + "00000060" + "01000000" + "00000060" + "00070060" + "0102030405060708",
		"vectorLong": "016d5cf3" + "0400000000000068" + "15c4b51c" + "01000000" + "0102030405060708",
	} {
		t.Run(name, func(t *testing.T) {
			code, out, errs := run(t, "", "decode", in)
			require.Equal(t, name == "truncated" || name == "unknown", code == 1, errs)
			golden := filepath.Join("testdata", "decode-"+name+".txt")
			if *rewrite {
				require.NoError(t, os.WriteFile(golden, []byte(out), 0o600))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			require.Equal(t, string(want), out)

			for _, same := range []string{
				strings.ToUpper(in), "0x" + in, spaced(in),
				base64.StdEncoding.EncodeToString(unhex(t, in)), base64.URLEncoding.EncodeToString(unhex(t, in)),
			} {
				_, again, _ := run(t, same, "decode")
				require.Equal(t, out, again, same)
			}
		})
	}
}

func unhex(t testing.TB, s string) []byte {
	b, err := hex.DecodeString(s)
	require.NoError(t, err)
	return b
}

func spaced(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i += 2 {
		b.WriteString(s[i:i+2] + " ")
	}
	return b.String()
}

func message(seq int, body string) string {
	head := binary.LittleEndian.AppendUint64(nil, 0x6800000000000000+uint64(4*seq))
	head = binary.LittleEndian.AppendUint32(head, uint32(seq))
	head = binary.LittleEndian.AppendUint32(head, uint32(len(body)/2))
	return hex.EncodeToString(head) + body
}

func tlString(b []byte) []byte {
	out := append([]byte{byte(len(b))}, b...)
	for len(out)%4 != 0 {
		out = append(out, 0)
	}
	return out
}

// Whatever bytes come, decode ends.
func FuzzDecode(f *testing.F) {
	set, err := tl.ReadSet(tl.Default)
	require.NoError(f, err)
	f.Add(unhex(f, "dcf8f17301000000"))
	f.Add(unhex(f, "016d5cf3040000000000006815c4b51c010000000102030405060708"))
	f.Add(unhex(f, "0d0d9bdadf00000051a9528d01000000"))
	f.Fuzz(func(_ *testing.T, b []byte) { _ = tlcmd.Decode(set, b, io.Discard) })
}

func BenchmarkTranscode(b *testing.B) {
	in := lines(b, "223.jsonl.gz")
	n := strings.Count(in, "\n")
	b.ResetTimer()
	for range b.N {
		tlcmd.Run([]string{"transcode"}, strings.NewReader(in), io.Discard, io.Discard)
	}
	b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "lines/s")
}
