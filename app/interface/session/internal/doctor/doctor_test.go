package doctor

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/logx"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/tgsession/tgsession/app/internal/doctor"
	"github.com/tgsession/tgsession/app/internal/etcdtest"
	"github.com/tgsession/tgsession/app/internal/freeport"
	"github.com/tgsession/tgsession/app/internal/passthrough"
	"github.com/tgsession/tgsession/proto/authsession"
	"github.com/tgsession/tgsession/proto/gateway"
	"github.com/tgsession/tgsession/proto/session"
	statuspb "github.com/tgsession/tgsession/proto/status"
	"github.com/tgsession/tgsession/proto/tl"
)

func TestMain(m *testing.M) {
	logx.Disable()
	m.Run()
}

// site is a cluster of peers that answer as gRPC does by itself; etcd lists them.
type site struct {
	t     *testing.T
	etcd  *etcdtest.Etcd
	keys  map[string]string // of the services, by the names that stock files have
	here  time.Time         // of this host
	more  string            // lines of session.yaml
	idMap string

	bffCode   codes.Code // what help.getConfig is answered with
	bffFields []byte     // of its answer, more than it should have
	bffTime   time.Duration
}

func newSite(t *testing.T) *site {
	s := &site{
		t: t, etcd: etcdtest.Dial(t), keys: map[string]string{}, here: time.Unix(1_800_000_000, 0),
		idMap: `    "/mtproto.RPCUsers": BFF
    "/mtproto.RPCConfiguration": BFF
`,
	}
	for _, name := range []string{"SESSION", "AUTHSESSION", "STATUS", "GATEWAY", "BFF"} {
		s.keys[name] = s.etcd.Key(strings.ToLower(name))
	}
	s.start("AUTHSESSION", func(g *grpc.Server) {
		authsession.RegisterRPCAuthsessionServer(g, authsession.UnimplementedRPCAuthsessionServer{})
	})
	s.start("STATUS", func(g *grpc.Server) { statuspb.RegisterRPCStatusServer(g, statuspb.UnimplementedRPCStatusServer{}) })
	s.start("GATEWAY", func(g *grpc.Server) { gateway.RegisterRPCGatewayServer(g, gateway.UnimplementedRPCGatewayServer{}) })
	s.start("SESSION", func(g *grpc.Server) { session.RegisterRPCSessionServer(g, session.UnimplementedRPCSessionServer{}) })
	s.start("BFF", s.bff, grpc.ForceServerCodecV2(passthrough.Codec))
	return s
}

// start starts a service and lists it.
func (s *site) start(name string, register func(*grpc.Server), o ...grpc.ServerOption) {
	s.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(s.t, err)
	g := grpc.NewServer(o...)
	register(g)
	go func() { _ = g.Serve(l) }()
	s.t.Cleanup(g.Stop)
	s.etcd.Set(s.keys[name]+"/1", l.Addr().String())
}

// bff serves two groups of methods as a stock one does.
func (s *site) bff(g *grpc.Server) {
	date, err := tl.Load(tl.Default)
	require.NoError(s.t, err)
	field, _ := date.FieldNumber("Config", "date")
	answer := func(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		var in passthrough.Frame
		if err := decode(&in); err != nil {
			return nil, err
		}
		if s.bffCode != codes.OK {
			return nil, status.Error(s.bffCode, "NO")
		}
		pb := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), "config")
		pb = protowire.AppendVarint(protowire.AppendTag(pb, protowire.Number(field), protowire.VarintType), uint64(s.here.Add(s.bffTime).Unix()))
		return passthrough.Frame(append(pb, s.bffFields...)), nil
	}
	g.RegisterService(&grpc.ServiceDesc{ServiceName: "mtproto.RPCUsers", HandlerType: (*any)(nil)}, s)
	g.RegisterService(&grpc.ServiceDesc{
		ServiceName: "mtproto.RPCConfiguration", HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{MethodName: "help_getConfig", Handler: answer}},
	}, s)
}

// lines is what is said of the configuration.
func (s *site) lines() []doctor.Line {
	s.t.Helper()
	text := `Name: interface.session
ListenOn: 127.0.0.1:20120
Etcd: {Hosts: [ETCD], Key: SESSION}
AuthSession:
  Etcd: {Hosts: [ETCD], Key: AUTHSESSION}
StatusClient:
  Etcd: {Hosts: [ETCD], Key: STATUS}
GatewayClient:
  Etcd:
    Hosts: [ETCD]
    Key: GATEWAY
BFFProxyClients:
  Clients:
    - Etcd: {Hosts: [ETCD], Key: BFF}
  IDMap:
` + s.idMap + s.more
	for name, key := range s.keys { // longer names first
		if name == "AUTHSESSION" {
			text = strings.ReplaceAll(text, " "+name, " "+key)
		}
	}
	for name, key := range s.keys {
		text = strings.ReplaceAll(text, " "+name, " "+key)
	}
	text = strings.ReplaceAll(text, "ETCD", etcdtest.Hosts(s.t)[0])
	path := filepath.Join(s.t.TempDir(), "session.yaml")
	require.NoError(s.t, os.WriteFile(path, []byte(text), 0o600))
	return doctor.Run(s.t.Context(), path, Checks(path, func() time.Time { return s.here }), func(doctor.Line) {}).Checks
}

func complaints(list []doctor.Line) (out []doctor.Line) {
	for _, l := range list {
		if l.Grade != doctor.OK {
			out = append(out, l)
		}
	}
	return out
}

func TestAHealthyCluster(t *testing.T) {
	list := newSite(t).lines()
	require.Empty(t, complaints(list))
	var names []string
	for _, l := range list {
		name, _, _ := strings.Cut(l.Check, " ")
		names = append(names, name)
	}
	require.Equal(t, []string{"config", "etcd", "schema", "routes", "authsession", "authsession", "status", "status", "gateway", "gateway", "BFF", "BFF", "session", "session", "ring"}, names)
}

// Each thing that may be wrong is found where it is, with the line to change.
func TestWhatIsWrong(t *testing.T) {
	for _, tc := range []struct {
		name  string
		wrong func(s *site)
		grade doctor.Grade
		text  string
		key   string
		line  int
		fix   string
	}{
		{"a wrong etcd key", func(s *site) { s.keys["GATEWAY"] += "x" }, doctor.Fault, "nobody is registered under test.gateway", "GatewayClient.Etcd.Key", 11, "or set test.gateway."},
		{"no gateway", func(s *site) { s.etcd.Unset(s.keys["GATEWAY"] + "/1") }, doctor.Fault, "nobody is registered under test.gateway", "GatewayClient.Etcd.Key", 11, "start a gateway"},
		{"no session node", func(s *site) { s.etcd.Unset(s.keys["SESSION"] + "/1") }, doctor.Warn, "nobody is registered under test.session", "Etcd.Key", 3, "start session"},
		{"a dead session node", func(s *site) { s.etcd.Set(s.keys["SESSION"]+"/2", freeport.Address(s.t)) }, doctor.Fault, "is registered without a lease", "", 0, "etcdctl del test.session."},
		{"a dead session node has keys", func(s *site) { s.etcd.Set(s.keys["SESSION"]+"/2", freeport.Address(s.t)) }, doctor.Fault, "1 of 2 nodes do not answer", "", 0, ""},
		{"an IDMap entry that goes to no client", func(s *site) { s.idMap += "    \"/mtproto.RPCDrafts\": bff.drafts\n" }, doctor.Fault, `/mtproto.RPCDrafts goes to "bff.drafts", but no client`, `BFFProxyClients.IDMap["/mtproto.RPCDrafts"]`, 18, "name the Etcd.Key"},
		{"an IDMap entry of no group", func(s *site) { s.idMap += "    \"/mtproto.RPCDraft\": BFF\n" }, doctor.Warn, "nearest known group: /mtproto.RPCDrafts", `BFFProxyClients.IDMap["/mtproto.RPCDraft"]`, 18, "correct it"},
		{"a group that its BFF does not serve", func(s *site) { s.idMap += "    \"/mtproto.RPCVoipCalls\": BFF\n" }, doctor.Warn, "does not serve RPCVoipCalls", `BFFProxyClients.IDMap["/mtproto.RPCVoipCalls"]`, 18, "take these groups out"},
		{"a client that is no BFF", func(s *site) { s.keys["BFF"] = s.keys["GATEWAY"] }, doctor.Fault, "serves none of the groups", "BFFProxyClients.Clients[0]", 14, "name a BFF"},
		{"a peer that is another service", func(s *site) { s.keys["STATUS"] = s.keys["GATEWAY"] }, doctor.Fault, "does not serve status.RPCStatus", "", 0, ""},
		{"a BFF of another release", func(s *site) {
			s.bffFields = protowire.AppendVarint(protowire.AppendTag(nil, 9999, protowire.VarintType), 1)
		}, doctor.Fault, "was built from other .proto files than schema 0.223.1: Config.9999: unknown field", "Schema", 18, "set it to the release of the BFF"},
		{"a BFF that refuses", func(s *site) { s.bffCode = codes.Unauthenticated }, doctor.Fault, "refuses the call: NO", "BFFProxyClients.Clients[0].App", 14, "set App and Token"},
		{"a BFF that fails", func(s *site) { s.bffCode = 500 }, doctor.Warn, "help.getConfig is answered Code(500) NO", "", 0, ""},
		{"clocks 40 s apart", func(s *site) { s.bffTime = -40 * time.Second }, doctor.Fault, "the clock of this BFF is at least 39s behind", "", 0, "NTP"}, // the BFF tells whole seconds
		{"a gateway without streams, which are wanted", func(s *site) { s.more = "UseStreamGateway: true\n" }, doctor.Fault, "has no streams", "UseStreamGateway", 18, "take it out"},
		{"a schema that there is not", func(s *site) { s.more = "Schema: /none.tls\n" }, doctor.Fault, "cannot be loaded", "Schema", 18, "name a shipped release"},
		{"a release that cannot be told", func(s *site) { s.more = "Schema: auto\n" }, doctor.Fault, "is auto, and the answers of BFF test.bff.", "Schema", 18, "one of these"},
		{"a configuration that does not load", func(s *site) { s.more = "DrainTime: 2h\n" }, doctor.Fault, "DrainTime is 2h", "DrainTime", 18, "give 0s to 1h"},
		{"a key that is not known", func(s *site) { s.more = "Schem: 0.223.1\n" }, doctor.Warn, "nearest known key: Schema", "Schem", 18, "correct it or take it out"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newSite(t)
			s.more = "Schema: 0.223.1\n"
			tc.wrong(s)
			list := complaints(s.lines())
			var texts []string
			for _, l := range list {
				texts = append(texts, fmt.Sprintf("%+v", l))
				if l.Grade == tc.grade && strings.Contains(l.Text, tc.text) {
					require.Equal(t, tc.key, l.Key)
					require.Equal(t, tc.line, l.AtLine)
					require.Contains(t, l.Fix, tc.fix)
					return
				}
			}
			t.Fatalf("not found: %s", strings.Join(texts, "\n"))
		})
	}
}

// What depends on a fault is said to be skipped, and nothing else is said of it.
func TestWhatDependsOnAFaultIsSkipped(t *testing.T) {
	s := newSite(t)
	s.more = "DrainTime: 2h\n"
	list := complaints(s.lines())
	require.Len(t, list, 2)
	require.Equal(t, "needs config", list[1].Text)
	require.Equal(t, doctor.Skipped, list[1].Grade)
}
