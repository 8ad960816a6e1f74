package releasecheck

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/tgsession/tgsession/app/internal/passthrough"
	"github.com/tgsession/tgsession/proto/tl"
)

// help.getConfig is the same in all shipped releases. A call of it changes nothing.
const (
	getConfigID    = 0xc4f9186b
	getConfigPath  = "/mtproto.RPCConfiguration/help_getConfig"
	getConfigReply = "Config"
	// noMethod is a method that no BFF can have.
	noMethod = "/mtproto.RPCConfiguration/releasecheck"
)

// BFF is a BFF that Find asks.
type BFF struct {
	Name string
	Conn grpc.ClientConnInterface
}

// tables is one table set, and what of it shows in a BFF's answers.
type tables struct {
	name     string          // of the release that it was made from
	releases []string        // that have it, the newest first
	paths    map[string]bool // of the gRPC methods
}

// Releases are the shipped releases as BFFs are held against them. They are read-only.
type Releases struct {
	tables  []tables
	methods []string // in which they differ
}

// Shipped reads the table sets that are built in, which takes most of a second.
func Shipped() (*Releases, error) {
	list, err := shipped()
	if err != nil {
		return nil, err
	}
	return &Releases{list, differing(list)}, nil
}

// Find asks BFFs from which release they were built. It returns the shipped releases
// that all their answers fit, in lists of those that share a table set, the newest
// first. An error means that a BFF did not answer at all.
//
// Two answers are looked at. help.getConfig must fit the messages of the release.
// And the BFF must have exactly the methods of the release in the groups that it
// serves: it is asked for those in which releases differ, by requests that are no
// protobuf. gRPC refuses such a request before any code of the BFF runs, so nothing
// happens, and gRPC says whether it was the request or the method that it does not
// know. A BFF that answers for methods which cannot be, as a proxy does, is not
// asked for methods.
func (r *Releases) Find(ctx context.Context, bffs []BFF) (fit [][]string, err error) {
	list := slices.Clone(r.tables)
	for _, b := range bffs {
		config, err := b.config(ctx)
		if err == nil {
			list, err = b.narrow(ctx, list, r.methods)
		}
		if err != nil {
			return nil, fmt.Errorf("BFF %s: %w", b.Name, err)
		}
		list = slices.DeleteFunc(list, func(t tables) bool {
			found, err := Misfits(t.name, getConfigReply, config)
			return err != nil || len(found) > 0
		})
	}
	for _, t := range list {
		fit = append(fit, t.releases)
	}
	return fit, nil
}

// config is what help.getConfig is answered; nil: with an error of the BFF's own.
func (b BFF) config(ctx context.Context) ([]byte, error) {
	id := uint32(getConfigID)
	request := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), uint64(int64(int32(id))))
	var reply passthrough.Frame
	err := b.Conn.Invoke(ctx, getConfigPath, passthrough.Frame(request), &reply, grpc.ForceCodecV2(passthrough.Codec))
	if noAnswer(err) {
		return nil, err
	}
	return reply, nil
}

// shipped are the table sets that are built in. Each has some MiB, so one is read at a
// time.
func shipped() (list []tables, err error) {
	for _, release := range tl.Releases() {
		set, err := tl.ReadSet(release)
		if err != nil {
			return nil, err
		}
		if n := len(list); n > 0 && list[n-1].name == set.Release {
			list[n-1].releases = append(list[n-1].releases, release)
			continue
		}
		t := tables{strings.Clone(set.Release), []string{release}, map[string]bool{}}
		for i := range set.Methods {
			if path := set.Methods[i].Path; path != "" {
				t.paths[strings.Clone(path)] = true
			}
		}
		list = append(list, t)
	}
	return list, nil
}

// differing are the methods that some of the table sets have and others have not,
// sorted.
func differing(list []tables) []string {
	count := map[string]int{}
	for _, t := range list {
		for path := range t.paths {
			count[path]++
		}
	}
	maps.DeleteFunc(count, func(_ string, n int) bool { return n == len(list) })
	return slices.Sorted(maps.Keys(count))
}

// narrow leaves those of the table sets with which the BFF agrees in all of these methods.
func (b BFF) narrow(ctx context.Context, list []tables, methods []string) ([]tables, error) {
	switch what, err := b.ask(ctx, noMethod); {
	case err != nil:
		return nil, err
	case what != lacks && what != noGroup:
		return list, nil
	}
	absent := map[string]bool{} // groups that the BFF does not serve
	for _, path := range methods {
		group := path[:strings.LastIndexByte(path, '/')]
		if absent[group] {
			continue
		}
		what, err := b.ask(ctx, path)
		if err != nil {
			return nil, err
		}
		switch what {
		case noGroup:
			absent[group] = true
		case has, lacks:
			list = slices.DeleteFunc(list, func(t tables) bool { return t.paths[path] != (what == has) })
		case unclear:
		}
	}
	return list, nil
}

// answer is what a BFF says of a method.
type answer uint8

const (
	unclear answer = iota
	has            // it has the method
	lacks          // it serves the group, and the method is not in it
	noGroup        // it does not serve the group
)

// notProtobuf is a request that nobody can decode.
var notProtobuf = passthrough.Frame{0xff}

// ask finds out whether a BFF has a method, without having it run. An error means that
// nobody answered.
func (b BFF) ask(ctx context.Context, path string) (answer, error) {
	ctx = metadata.NewOutgoingContext(ctx, metadata.MD{}) // on behalf of nobody
	var reply passthrough.Frame
	err := b.Conn.Invoke(ctx, path, notProtobuf, &reply, grpc.ForceCodecV2(passthrough.Codec))
	s := status.Convert(err)
	switch {
	case noAnswer(err):
		return unclear, err
	case s.Code() == codes.Internal:
		return has, nil
	case s.Code() == codes.Unimplemented && strings.HasPrefix(s.Message(), "unknown method"):
		return lacks, nil
	case s.Code() == codes.Unimplemented && strings.HasPrefix(s.Message(), "unknown service"):
		return noGroup, nil
	}
	return unclear, nil
}

// noAnswer reports whether an error of a call is none of the server's.
func noAnswer(err error) bool {
	switch status.Code(err) {
	case codes.Unavailable, codes.DeadlineExceeded, codes.Canceled:
		return true
	}
	return false
}
