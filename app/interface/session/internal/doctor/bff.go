package doctor

import (
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/tgsession/tgsession/app/interface/session/internal/config"
	"github.com/tgsession/tgsession/app/interface/session/internal/dispatch"
	"github.com/tgsession/tgsession/app/interface/session/internal/releasecheck"
	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
	"github.com/tgsession/tgsession/app/interface/session/internal/svc"
	"github.com/tgsession/tgsession/app/internal/doctor"
	"github.com/tgsession/tgsession/app/internal/passthrough"
	"github.com/tgsession/tgsession/app/internal/rpcserver"
	"github.com/tgsession/tgsession/proto/tl"
)

const (
	services  = "mtproto." // of the BFF's services
	idMap     = "BFFProxyClients.IDMap"
	getConfig = "help.getConfig"

	configuration = "RPCConfiguration" // a group that every BFF should have
	schemaName    = "schema"
	routesName    = "routes"
)

// bffs is what is known of the BFFs.
type bffs struct {
	config config.Config
	clock  doctor.Clock
	self   string

	schema *tl.Schema          // nil: it cannot be loaded
	groups map[string][]string // by client: what the IDMap routes to it
}

func newBFFs(c config.Config, now func() time.Time) *bffs {
	return &bffs{config: c, clock: doctor.Clock{Now: now, Precision: time.Second}, self: rpcserver.PublishedAddress(c.ListenOn)}
}

// schemaCheck loads the table set. Where Schema is auto, it first asks which, as a node
// does when it starts; all that comes later sees the release by its name.
func (b *bffs) schemaCheck() doctor.Check {
	return doctor.Check{Name: schemaName, Within: 30 * time.Second, Run: func(ctx context.Context) doctor.Result {
		told := ""
		if b.config.Schema == config.SchemaAuto {
			release, err := svc.FindRelease(ctx, b.config)
			if err != nil {
				return doctor.Failed("Schema", err)
			}
			b.config.Schema, told = release, "told by the BFF: "
		}
		schema, err := svc.LoadSchema(b.config.Schema)
		if err != nil {
			return doctor.Failed("Schema", err)
		}
		b.schema = schema
		return doctor.Well("%s%s (%s), layers %d to %d", told, schema.Name(), schema.Hash(), schema.MinLayer(), schema.MaxLayer())
	}}
}

// routesCheck reads the IDMap.
func (b *bffs) routesCheck() doctor.Check {
	return doctor.Check{Name: routesName, Needs: schemaName, Run: func(context.Context) doctor.Result {
		clients := map[string]grpc.ClientConnInterface{}
		for i := range b.config.BFFProxyClients.Clients {
			clients[b.config.ClientName(&b.config.BFFProxyClients.Clients[i])] = nil
		}
		b.groups = map[string][]string{}
		var r doctor.Result
		all := b.schema.Groups()
		for _, key := range slices.Sorted(maps.Keys(b.config.BFFProxyClients.IDMap)) {
			name := b.config.BFFProxyClients.IDMap[key]
			routes, warnings := dispatch.NewRoutes(all, map[string]string{key: name}, clients)
			b.groups[name] = append(b.groups[name], routes.Groups()...)
			for _, w := range warnings {
				f := doctor.Finding{Grade: doctor.Fault, Problem: strings.TrimPrefix(w, idMap+": "), Key: fmt.Sprintf("%s[%q]", idMap, key), Fix: "name the Etcd.Key of one of BFFProxyClients.Clients"}
				if _, known := clients[name]; known {
					f.Grade, f.Fix = doctor.Warn, "correct it, or take it out"
				}
				r.Findings = append(r.Findings, f)
			}
		}
		if len(b.config.BFFProxyClients.IDMap) == 0 {
			return doctor.Wrong(doctor.Fault, idMap, `set it, for example "/mtproto.RPCUsers": bff.bff`, "no group of methods is routed to a BFF")
		}
		r.Well = fmt.Sprintf("%d groups go to %s", len(b.config.BFFProxyClients.IDMap), strings.Join(slices.Sorted(maps.Keys(clients)), ", "))
		return r
	}}
}

// peers are the clients of BFFs, each once.
func (b *bffs) peers() (list []doctor.Peer) {
	seen := map[string]bool{}
	for i := range b.config.BFFProxyClients.Clients {
		name := b.config.ClientName(&b.config.BFFProxyClients.Clients[i])
		if seen[name] {
			continue
		}
		seen[name] = true
		p := doctor.Peer{
			Name: "BFF " + name, Path: fmt.Sprintf("BFFProxyClients.Clients[%d]", i), Client: b.config.BFFProxyClients.Clients[i],
			Absent: doctor.Fault, Start: "start a BFF",
		}
		p.Ask = func(ctx context.Context, conn *grpc.ClientConn) (doctor.Result, error) {
			return b.ask(ctx, &p, name, conn)
		}
		list = append(list, p)
	}
	return list
}

// ask asks a node whether it serves what is routed to it, and for its configuration,
// which tells its release and its time.
func (b *bffs) ask(ctx context.Context, p *doctor.Peer, name string, conn *grpc.ClientConn) (doctor.Result, error) {
	if b.schema == nil {
		if _, err := doctor.Serves(ctx, conn, services+configuration); err != nil {
			return doctor.Result{}, err
		}
		return doctor.Well("answers; without a schema no more can be told"), nil
	}
	groups := b.groups[name]
	var missing []string
	for _, g := range groups {
		served, err := doctor.Serves(ctx, conn, services+g)
		if err != nil {
			return doctor.Result{}, err
		}
		if !served {
			missing = append(missing, g)
		}
	}
	r := doctor.Well("answers; serves the %d groups that go to it", len(groups))
	if len(groups) == 0 {
		if _, err := doctor.Serves(ctx, conn, services+configuration); err != nil {
			return doctor.Result{}, err
		}
		r = doctor.Well("answers; no group goes to it")
	}
	switch {
	case len(missing) == 0:
	case len(missing) == len(groups):
		return doctor.Wrong(doctor.Fault, p.Path, "name a BFF", "answers, and serves none of the groups that go to it: it is another service"), nil
	default:
		r = doctor.Wrong(doctor.Warn, fmt.Sprintf("%s[%q]", idMap, "/"+services+missing[0]), "take these groups out, or start a BFF that serves them",
			"does not serve %s: their calls are answered METHOD_NOT_IMPL", strings.Join(missing, ", "))
	}
	method := b.method(groups)
	if method == nil || slices.Contains(missing, method.Group) {
		return r, nil
	}
	var pb passthrough.Frame
	clock, err := b.clock.Compare(ctx, "this BFF", func(ctx context.Context) (told time.Time, err error) {
		pb, err = b.call(ctx, conn, method)
		return b.date(pb, b.clock.Now()), err
	})
	switch {
	case doctor.NoAnswer(err):
		return doctor.Result{}, err
	case err != nil:
		if refused, ok := p.Refused(err); !ok {
			return refused, nil
		}
		r.Findings = append(r.Findings, doctor.Finding{Grade: doctor.Warn, Problem: getConfig + " is answered " + answer(err) + "; every client asks for it", Fix: "see its log"})
		return r, nil
	}
	r.Findings = append(append(r.Findings, clock.Findings...), b.release(ctx, method, pb)...)
	r.Well += ", has this host's time, and " + getConfig + " shows no other release than " + b.schema.Name()
	return r, nil
}

// method is help.getConfig, if it goes to the BFF of these groups.
func (b *bffs) method(groups []string) *tl.Method {
	for _, m := range b.schema.MethodByName(getConfig) {
		if slices.Contains(groups, m.Group) {
			return m
		}
	}
	return nil
}

// call makes a call without arguments as a session does for a client that is not
// logged in.
func (b *bffs) call(ctx context.Context, conn *grpc.ClientConn, m *tl.Method) (passthrough.Frame, error) {
	request, _, _, err := b.schema.DecodeRequest(nil, binary.LittleEndian.AppendUint32(nil, m.ID), tl.MaxOutput)
	if err != nil {
		return nil, err
	}
	ctx = dispatch.WithCaller(ctx, b.self, &sess.Meta{Layer: int32(b.schema.MaxLayer()), ReceiveTime: b.clock.Now().Unix()})
	var reply passthrough.Frame
	err = conn.Invoke(ctx, m.Path, passthrough.Frame(request), &reply, grpc.ForceCodecV2(passthrough.Codec))
	return reply, err
}

// date is the time that a config tells; none told is none that is wrong.
func (b *bffs) date(pb []byte, none time.Time) time.Time {
	field, ok := b.schema.FieldNumber("Config", "date")
	for ok && len(pb) > 0 {
		number, kind, n := protowire.ConsumeTag(pb)
		if n < 0 {
			break
		}
		size := protowire.ConsumeFieldValue(number, kind, pb[n:])
		if size < 0 {
			break
		}
		if int(number) == field && kind == protowire.VarintType {
			seconds, _ := protowire.ConsumeVarint(pb[n:])
			return time.Unix(int64(seconds), 0)
		}
		pb = pb[n+size:]
	}
	return none
}

// maxFit is how many releases are named that an answer fits.
const maxFit = 3

// release holds an answer against the schema; of a misfit it says which of the
// shipped releases fit, the newest first, as far as ctx lets it look.
func (b *bffs) release(ctx context.Context, m *tl.Method, pb []byte) []doctor.Finding {
	misfits, err := releasecheck.Misfits(b.config.Schema, m.Reply.Name(), pb)
	if err == nil && len(misfits) == 0 {
		return nil
	}
	what := fmt.Sprint(err)
	if len(misfits) > 0 {
		what = misfits[0].String()
	}
	fix := "set it to the release of the BFF, or make a table set for it"
	var fit []string
	for _, release := range tl.Releases() { // each takes a moment to unpack
		if len(fit) == maxFit || ctx.Err() != nil {
			break
		}
		if others, err := releasecheck.Misfits(release, m.Reply.Name(), pb); err == nil && len(others) == 0 && release != b.config.Schema {
			fit = append(fit, release)
		}
	}
	if len(fit) > 0 {
		fix += "; its answer fits " + strings.Join(fit, ", ")
	}
	return []doctor.Finding{{
		Grade: doctor.Fault, Key: "Schema", Fix: fix,
		Problem: fmt.Sprintf("was built from other .proto files than schema %s: %s", b.schema.Name(), what),
	}}
}
