package config

import (
	"strings"
	"time"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
	"github.com/tgsession/tgsession/app/internal/conf"
	"github.com/tgsession/tgsession/app/internal/keytable"
	"github.com/tgsession/tgsession/proto/tl"
)

const (
	shortestCall = 10 * time.Millisecond
	longestCall  = time.Hour
)

// Table describes session.yaml.
func (*Config) Table() keytable.Table { return table }

var table = concat(
	conf.ServerTable("interface.session", "interface.session"),
	conf.ClientTable("AuthSession", "Where authsession is: by Etcd or Endpoints."),
	conf.ClientTable("StatusClient", "Where status is: by Etcd or Endpoints."),
	conf.ClientTable("GatewayClient", "Where gateways are. Etcd finds them; the rest is for each of them."),
	conf.ClientTable("BFFProxyClients.Clients[]", "The BFFs. A Timeout has no effect: calls have those of their methods, Session.CallTimeout and MediaCallTimeout."),
	keytable.Table{
		{Key: "BFFProxyClients.IDMap", Reload: keytable.Live, Doc: "Which client serves a group of methods: the group, as `/mtproto.RPCUsers`, to the `Etcd.Key` of a client, or to its `Endpoints` joined with commas. Case is ignored. A method whose group is missing is answered `METHOD_NOT_IMPL`."},
		{Key: "AllowPeers", Reload: keytable.Live, Doc: "Addresses and networks whose calls are served: gateways, `sync`, `authsession` and the session nodes; none: all ([who may call](security.md#who-may-call))."},
		{Key: "Nodes.App", Doc: "The node's own name, for its calls to the other session nodes, alike on all of them; needed with `Auth: true` beside others, and where nodes call from other addresses than they publish."},
		{Key: "Nodes.Token", Secret: true, Doc: "The token of Nodes.App, which Auth finds in the hash `Redis.Key`."},
		{Key: "UseStreamGateway", Doc: "`true`: always streams to gateways; `false`: never. Absent: streams, and unary calls where a gateway has none."},
		{Key: "FakeResults", Doc: "Answer some methods that no BFF serves with empty results."},
		{Key: "Schema", Doc: "Wire release of the BFF, the path of a table set, or `auto` ([below](#schema-auto)). Built in are " + strings.Join(tl.Releases(), ", ") + "."},
		{Key: "NoLogin.Allow", Doc: "Methods, as `auth.signIn`, added to those that need no login."},
		{Key: "NoLogin.Deny", Doc: "Methods taken from them."},
		{Key: "DrainTime", Default: 20 * time.Second, Min: time.Duration(0), Max: time.Hour, Doc: "How long a stopping node waits for answers in flight. `Shutdown.WaitTime` bounds the whole stop and has to leave 5s, or half of itself, for the rest."},
	},
	sess.LimitTable.Under("Session."),
	keytable.Table{
		{Key: "DataChannel", Default: 4096, Min: 1, Max: 1 << 20, Doc: "Packets that may wait for one key; more are refused with 420."},
		{Key: "DataChannelBytes", Default: 16 << 20, Min: 1 << 10, Max: 1 << 32, Unit: "bytes", Doc: "Their bytes."},
		{Key: "Calls", Default: 16384, Min: 1, Max: 1 << 20, Doc: "API calls under way on the node; as many may wait. More are answered 420."},
		{Key: "CallBytes", Default: 256 << 20, Min: 4 << 20, Max: 1 << 36, Unit: "bytes", Doc: "The bytes of those calls, also of those that wait, as far as a call has 4 KiB or more, mostly parts of files; beyond, such calls are answered 420 `FLOOD_WAIT_3`."},
		{Key: "PeerCalls", Default: 1024, Min: 1, Max: 1 << 20, Doc: "Calls to authsession under way on the node."},
		{Key: "PeerQueue", Default: 1 << 16, Min: 1, Max: 1 << 24, Doc: "Such calls of auth keys that wait for their turn: a key that comes asks two or three things. Beyond, what a key would know is refused with 500."},
		{Key: "CallTimeout", Default: 5 * time.Second, Min: shortestCall, Max: longestCall, Doc: "Of an API call."},
		{Key: "MediaCallTimeout", Default: time.Minute, Min: shortestCall, Max: longestCall, Doc: "Of the four methods that handle media."},
		{Key: "ReplyBytes", Default: 16 << 20, Min: 1 << 20, Max: 1 << 28, Unit: "bytes", Doc: "The largest answer of a BFF; a larger one is answered 500 `RESPONSE_TOO_LONG`. Packed it has to fit into PayloadBytes."},
		{Key: "PeerTimeout", Default: 2 * time.Second, Min: shortestCall, Max: time.Minute, Doc: "Of a call to authsession or status, and of asking a node for a key that has moved (ReleaseAfter longer where that node has yet to hear of it)."},
		{Key: "KeyCache", Default: 1 << 20, Min: 128, Max: 1 << 30, Doc: "Transport keys remembered."},
		{Key: "KeyRefresh", Default: time.Minute, Min: time.Second, Max: 24 * time.Hour, Doc: "Age at which the binding of a key is looked up again."},
		{Key: "ReleaseAfter", Default: 3 * time.Second, Min: time.Millisecond, Max: time.Minute, Doc: "How long nodes may disagree about who owns a key: until then it is kept by who had it, and pushes by who has it not."},
		{Key: "GatewayQueue", Default: 1 << 16, Min: 1, Max: 1 << 24, Doc: "Packets waiting for one gateway, of one key an eighth."},
		{Key: "GatewayBytes", Default: 64 << 20, Min: 4 << 20, Max: 1 << 36, Unit: "bytes", Doc: "Their bytes, of one key an eighth."},
		{Key: "GatewayRetry", Default: 10 * time.Second, Min: time.Millisecond, Max: 10 * time.Minute, Doc: "How long packets wait for a gateway that etcd lists and that cannot be reached, before its clients count as offline."},
	}.Under("Session."),
)

func concat(tables ...keytable.Table) (all keytable.Table) {
	for _, t := range tables {
		all = append(all, t...)
	}
	return all
}
