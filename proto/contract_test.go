// Package proto_test proves that the generated packages speak the contract
// of the stock peers: every name, number, kind and constructor id is held
// against a list written by hand.
package proto_test

import (
	"bufio"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/tgsession/tgsession/proto/authsession"
	"github.com/tgsession/tgsession/proto/gateway"
	"github.com/tgsession/tgsession/proto/metadata"
	"github.com/tgsession/tgsession/proto/mtproto"
	"github.com/tgsession/tgsession/proto/session"
	"github.com/tgsession/tgsession/proto/status"
)

// stockFiles are the .proto files that describe what stock peers speak. The
// calls of our own (authsession/manager.proto) are free to grow.
var stockFiles = []protoreflect.FileDescriptor{
	session.File_session_session_proto,
	gateway.File_gateway_gateway_proto,
	authsession.File_authsession_authsession_proto,
	status.File_status_status_proto,
	mtproto.File_mtproto_mtproto_proto,
	metadata.File_metadata_metadata_proto,
}

// contract maps a section ("message session.HttpSessionData") to its lines.
type contract map[string][]string

func TestContract(t *testing.T) {
	want, got := golden(t), described()
	for section := range got {
		require.Contains(t, want, section, "not in testdata/contract.txt")
	}
	for section, lines := range want {
		t.Run(section, func(t *testing.T) {
			require.Contains(t, got, section, "not in the .proto files")
			slices.Sort(lines)
			slices.Sort(got[section])
			require.Equal(t, lines, got[section])
		})
	}
}

// TestFieldsOnTheWire encodes each field alone and reads its tag back, so
// that the generated code is proved and not only its description.
func TestFieldsOnTheWire(t *testing.T) {
	for section, lines := range golden(t) {
		kind, name, _ := strings.Cut(section, " ")
		if kind != "message" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			mt, err := protoregistry.GlobalTypes.FindMessageByName(protoreflect.FullName(name))
			require.NoError(t, err)
			for _, line := range lines {
				words := strings.Fields(line)
				fd := mt.Descriptor().Fields().ByName(protoreflect.Name(words[1]))
				require.NotNil(t, fd, words[1])
				m := mt.New()
				fill(m, fd)
				data, err := proto.Marshal(m.Interface())
				require.NoError(t, err)
				num, typ, n := protowire.ConsumeTag(data)
				require.Positive(t, n)
				require.Equal(t, words[0], strconv.Itoa(int(num)), words[1])
				require.Equal(t, wireType(words[2], slices.Contains(words, "repeated")), typ, words[1])
				require.Equal(t, len(data)-n, protowire.ConsumeFieldValue(num, typ, data[n:]), words[1])
			}
		})
	}
}

// TestServicesOnTheWire holds the names that the gRPC stubs register against
// the contract: they make the HTTP/2 paths.
func TestServicesOnTheWire(t *testing.T) {
	want := golden(t)
	for _, desc := range []grpc.ServiceDesc{
		session.RPCSession_ServiceDesc,
		session.RPCSessionStream_ServiceDesc,
		gateway.RPCGateway_ServiceDesc,
		gateway.RPCGatewayStream_ServiceDesc,
		authsession.RPCAuthsession_ServiceDesc,
		status.RPCStatus_ServiceDesc,
	} {
		t.Run(desc.ServiceName, func(t *testing.T) {
			lines := want["service "+desc.ServiceName]
			require.NotEmpty(t, lines)
			var got []string
			for _, m := range desc.Methods {
				got = append(got, m.MethodName)
			}
			for _, s := range desc.Streams {
				require.True(t, s.ClientStreams && s.ServerStreams, s.StreamName)
				got = append(got, s.StreamName)
			}
			for i := range lines {
				lines[i], _, _ = strings.Cut(lines[i], " ")
			}
			require.ElementsMatch(t, lines, got)
		})
	}
}

// golden reads testdata/contract.txt; ids given in hex must agree with the
// signed values beside them.
func golden(t *testing.T) contract {
	t.Helper()
	f, err := os.Open("testdata/contract.txt")
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()

	c, section := contract{}, ""
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		line := lines.Text()
		words := strings.Fields(line)
		switch {
		case len(words) == 0 || strings.HasPrefix(line, "#"):
			continue
		case !strings.HasPrefix(line, " "):
			section = strings.Join(words, " ")
			require.NotContains(t, c, section, "listed twice")
			c[section] = nil
			continue
		case strings.HasPrefix(section, "enum ") && len(words) == 3:
			id, err := strconv.ParseUint(words[2], 16, 32)
			require.NoError(t, err, line)
			require.Equal(t, words[1], strconv.Itoa(int(int32(uint32(id)))), line)
			words = words[:2]
		}
		c[section] = append(c[section], strings.Join(words, " "))
	}
	require.NoError(t, lines.Err())
	return c
}

// described renders the generated descriptors the way the golden file is
// written.
func described() contract {
	c := contract{}
	for _, file := range stockFiles {
		for i := range file.Services().Len() {
			s := file.Services().Get(i)
			for j := range s.Methods().Len() {
				m := s.Methods().Get(j)
				c.add("service", s, fmt.Sprintf("%s %s%s %s%s", m.Name(),
					mark("stream ", m.IsStreamingClient()), m.Input().FullName(),
					mark("stream ", m.IsStreamingServer()), m.Output().FullName()))
			}
		}
		for i := range file.Messages().Len() {
			m := file.Messages().Get(i)
			for j := range m.Fields().Len() {
				f := m.Fields().Get(j)
				c.add("message", m, fmt.Sprintf("%d %s %s%s%s", f.Number(), f.Name(), typeName(f),
					mark(" repeated", f.IsList()), mark(" oneof", f.ContainingOneof() != nil)))
			}
		}
		for i := range file.Enums().Len() {
			e := file.Enums().Get(i)
			for j := range e.Values().Len() {
				v := e.Values().Get(j)
				c.add("enum", e, fmt.Sprintf("%s %d", v.Name(), v.Number()))
			}
		}
	}
	return c
}

func (c contract) add(kind string, d protoreflect.Descriptor, line string) {
	section := kind + " " + string(d.FullName())
	c[section] = append(c[section], line)
}

func mark(word string, on bool) string {
	if on {
		return word
	}
	return ""
}

func typeName(f protoreflect.FieldDescriptor) string {
	switch f.Kind() {
	case protoreflect.MessageKind:
		return string(f.Message().FullName())
	case protoreflect.EnumKind:
		return string(f.Enum().FullName())
	default:
		return f.Kind().String()
	}
}

// fill gives fd a value that proto3 does not omit.
func fill(m protoreflect.Message, fd protoreflect.FieldDescriptor) {
	if fd.IsList() {
		list := m.Mutable(fd).List()
		if fd.Kind() == protoreflect.MessageKind {
			list.AppendMutable()
		} else {
			list.Append(protoreflect.ValueOfInt64(-1))
		}
		return
	}
	switch fd.Kind() {
	case protoreflect.BoolKind:
		m.Set(fd, protoreflect.ValueOfBool(true))
	case protoreflect.Int32Kind:
		m.Set(fd, protoreflect.ValueOfInt32(-1))
	case protoreflect.Int64Kind:
		m.Set(fd, protoreflect.ValueOfInt64(-1))
	case protoreflect.EnumKind:
		m.Set(fd, protoreflect.ValueOfEnum(-1))
	case protoreflect.StringKind:
		m.Set(fd, protoreflect.ValueOfString("x"))
	case protoreflect.BytesKind:
		m.Set(fd, protoreflect.ValueOfBytes([]byte{0}))
	case protoreflect.MessageKind:
		m.Mutable(fd)
	default:
		panic("no stock field has kind " + fd.Kind().String())
	}
}

// wireType is how protobuf carries a kind; numbers in a list are packed.
func wireType(kind string, repeated bool) protowire.Type {
	switch {
	case repeated:
		return protowire.BytesType
	case kind == "bool" || kind == "int32" || kind == "int64" || strings.HasSuffix(kind, ".TLConstructor"):
		return protowire.VarintType
	default:
		return protowire.BytesType
	}
}
