package tlgencmd

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tgsession/tgsession/app/lab/tlgencmd/protofile"
	"github.com/tgsession/tgsession/app/lab/tlgencmd/tltext"
	"github.com/tgsession/tgsession/proto/tl"
	"github.com/tgsession/tgsession/proto/tl/tlset"
)

// shortened is the predicates that are not the constructor's name.
var shortened = map[string]string{
	"passwordKdfAlgoSHA256SHA256PBKDF2HMACSHA512iter100000SHA256ModPow": "passwordKdfAlgoModPow",
	"securePasswordKdfAlgoPBKDF2HMACSHA512iter100000":                   "securePasswordKdfAlgoPBKDF2",
}

// byHand is the ids that session and the engine read without tables: vectors and the envelopes of messages.
var byHand = map[uint32]bool{
	0x1cb5c415: true, // vector
	0x73f1f8dc: true, // msg_container
	0x5bb8e511: true, // message2, as Teamgram calls the messages in one
	0xe06046b2: true, // msg_copy
	0x1f9fb94e: true, // msg_copy, in Teamgram's list
	0x3072cfa1: true, // gzip_packed
	0xf35c6d01: true, // rpc_result
}

// generate builds a table set. Everything that does not fit goes into the report; an error means that there is no set.
func generate(release string, protos map[string]*protofile.File, schemas []tlFile, rep *report) (*tlset.Set, error) {
	w, err := readWire(protos, rep)
	if err != nil {
		return nil, err
	}
	all, err := versions(schemas, rep)
	if err != nil {
		return nil, err
	}
	b := builder{w: w, rep: rep, set: &tlset.Set{Release: release, Messages: w.messages}, types: map[string]string{}}
	rep.tlFiles = describeFiles(schemas)
	b.set.MinLayer = schemas[slices.IndexFunc(schemas, func(f tlFile) bool { return f.layer != 0 })].layer
	seen := map[uint32]bool{}
	for _, v := range all {
		if seen[v.def.ID] = true; !byHand[v.def.ID] {
			b.version(v)
		}
	}
	b.end(all, schemas)
	for id, name := range w.ids {
		if !seen[id] && !byHand[id] {
			rep.add(&rep.notInTL, "%s (%08x)", name, id)
		}
	}
	slices.Sort(rep.notInTL)
	b.set.Normalise()
	rep.set = b.set
	if _, err := tl.Compile(b.set); err != nil {
		return nil, err
	}
	return b.set, nil
}

type builder struct {
	w     *wire
	rep   *report
	set   *tlset.Set
	types map[string]string // predicate -> type
}

// version adds a constructor or method, or says why not.
func (b *builder) version(v *version) {
	d := &v.def
	title := fmt.Sprintf("%s#%08x", d.Name, d.ID)
	if _, ok := b.w.ids[d.ID]; !ok {
		b.rep.add(&b.rep.notRegistered, "%s (%s)", title, v.file)
		return
	}
	add := b.constructor
	if d.Method && b.w.shapes["TL_"+tlset.MessageName(d.Name)] != tlset.Box { // http_wait is an object in the .proto files
		add = b.method
	}
	leftOut, err := add(v)
	if err != nil {
		b.rep.add(&b.rep.unmapped, "%s: %v", title, err)
		return
	}
	for _, name := range leftOut {
		b.rep.add(&b.rep.bits, "%s: %s", title, name)
	}
}

// predicate is the name that the .proto files have for a constructor.
func (b *builder) predicate(d *tltext.Definition) string {
	predicate, union := tlset.MessageName(d.Name), tlset.MessageName(d.Result)
	if !b.boxed(predicate, union) && b.boxed(shortened[d.Name], union) {
		return shortened[d.Name]
	}
	return predicate
}

func (b *builder) constructor(v *version) (leftOut []string, err error) {
	d := &v.def
	union := tlset.MessageName(d.Result)
	if s, ok := b.w.shapes[union]; !ok || s != tlset.Union {
		return nil, fmt.Errorf("no message for type %s", d.Result)
	}
	predicate := b.predicate(d)
	if !b.boxed(predicate, union) {
		return nil, fmt.Errorf("no message TL_%s: the predicate may have another name", predicate)
	}
	if other, ok := b.types[predicate]; ok && other != d.Result {
		return nil, fmt.Errorf("its type is %s, and that of another version is %s", d.Result, other)
	}
	params, leftOut, err := b.w.params(union, d.Params)
	if err != nil {
		return nil, err
	}
	b.types[predicate] = d.Result
	b.set.Constructors = append(b.set.Constructors,
		tlset.Constructor{Predicate: predicate, ID: d.ID, Layers: v.layers, Type: d.Result, Params: params})
	return leftOut, nil
}

func (b *builder) boxed(predicate, union string) bool {
	return b.w.fields["TL_"+predicate]["data2"].Kind == "msg."+union
}

func (b *builder) method(v *version) (leftOut []string, err error) {
	d := &v.def
	request := "TL_" + tlset.MessageName(d.Name)
	if split := fmt.Sprintf("%s%X", request, d.ID); b.w.shapes[split] == tlset.Request {
		request = split
	}
	if s, ok := b.w.shapes[request]; !ok || s != tlset.Request {
		return nil, fmt.Errorf("no message %s", request)
	}
	call := b.w.rpcs[request]
	if err := b.answer(d, call.response); err != nil {
		return nil, err
	}
	params, leftOut, err := b.w.params(request, d.Params)
	if err != nil {
		return nil, err
	}
	if call.path == "" {
		b.rep.add(&b.rep.noRPC, "%s#%08x", d.Name, d.ID)
	}
	b.set.Methods = append(b.set.Methods, tlset.Method{
		Name: d.Name, ID: d.ID, Layers: v.layers, Request: request,
		Path: call.path, Result: d.Result, Params: params,
	})
	return leftOut, nil
}

// answer checks that what the rpc returns is the result of the method.
func (b *builder) answer(d *tltext.Definition, response string) error {
	if slices.Contains(d.Generic, d.Result) {
		if d.Result != "X" || response != "" {
			return fmt.Errorf("result %s, while the rpc returns %q", d.Result, response)
		}
		return nil
	}
	want := tlset.Union
	kind := tlset.MessageName(d.Result)
	if elem, _, ok := vectorOf(d.Result); ok {
		list, err := vector(elem, false, false)
		if err != nil {
			return err
		}
		want, kind = tlset.Vector, list[0].kind
	}
	if response == "" { // no rpc: the message must exist nevertheless
		for i := range b.set.Messages {
			m := &b.set.Messages[i]
			if m.Shape == want && (m.Name == kind || want == tlset.Vector && m.Fields[0].Kind == kind) {
				return nil
			}
		}
		return fmt.Errorf("no message for the result %s", d.Result)
	}
	have := response
	if want == tlset.Vector {
		have = b.w.fields[response]["datas"].Kind
	}
	if s, ok := b.w.shapes[response]; !ok || s != want || have != kind {
		return fmt.Errorf("result %s, while the rpc returns %s", d.Result, response)
	}
	return nil
}

func sorted[V any](m map[string]V) []string {
	return slices.SortedFunc(maps.Keys(m), strings.Compare)
}
