package releasecheck

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/tgsession/tgsession/app/interface/session/internal/releasecheck/bfftest"
	"github.com/tgsession/tgsession/proto/tl"
)

func only(groups ...string) func(group string) bool {
	return func(group string) bool { return slices.Contains(groups, strings.TrimPrefix(group, "mtproto.")) }
}

func bff(t *testing.T, release string, served func(string) bool, config []byte) BFF {
	t.Helper()
	return dial(t, release, bfftest.Start(t, release, served, config))
}

func dial(t *testing.T, name, address string) BFF {
	t.Helper()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return BFF{Name: name, Conn: conn}
}

var stockGroups = only("RPCConfiguration", "RPCChats", "RPCMessages", "RPCPasskey", "RPCUserChannelProfiles")

func TestFind(t *testing.T) {
	plain := config(9) // a field that all releases have
	for _, tc := range []struct {
		name string
		bffs func(t *testing.T) []BFF
		want [][]string
	}{
		{"the newest", func(t *testing.T) []BFF { return []BFF{bff(t, "0.223.1", stockGroups, plain)} }, [][]string{{"0.223.1"}}},
		{
			"releases that share their tables", func(t *testing.T) []BFF { return []BFF{bff(t, "0.222.3", bfftest.Every, plain)} },
			[][]string{{"0.223.0", "0.222.3", "0.222.2", "0.222.1", "0.222.0"}},
		},
		{"an old one", func(t *testing.T) []BFF { return []BFF{bff(t, "0.213.0", stockGroups, plain)} }, [][]string{{"0.213.0"}}},
		{
			"one that differs in groups that it does not serve", func(t *testing.T) []BFF { return []BFF{bff(t, "0.222.3", stockGroups, plain)} },
			[][]string{{"0.223.0", "0.222.3", "0.222.2", "0.222.1", "0.222.0"}, {"0.221.0"}},
		},
		{"two that together are clear", func(t *testing.T) []BFF {
			return []BFF{bff(t, "0.221.0", only("RPCConfiguration", "RPCChats"), plain), bff(t, "0.221.0", func(group string) bool { return !stockGroups(group) }, nil), bff(t, "0.221.0", only("RPCMessages"), nil)}
		}, [][]string{{"0.221.0"}}},
		{"two of two releases", func(t *testing.T) []BFF {
			return []BFF{bff(t, "0.223.1", stockGroups, plain), bff(t, "0.213.0", stockGroups, plain)}
		}, nil},
		{"one of a release that is not shipped", func(t *testing.T) []BFF { return []BFF{bff(t, "0.223.1", stockGroups, config(9999))} }, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			fit, err := releases(t).Find(t.Context(), tc.bffs(t))
			require.NoError(t, err)
			require.Equal(t, tc.want, fit)
		})
	}
}

func releases(t *testing.T) *Releases {
	t.Helper()
	r, err := Shipped()
	require.NoError(t, err)
	return r
}

// A proxy takes methods that no BFF has, so none can be told from its answers.
func TestAProxyIsNotAskedForMethods(t *testing.T) {
	proxy := dial(t, "proxy", bfftest.Serve(t, grpc.NewServer(grpc.UnknownServiceHandler(func(any, grpc.ServerStream) error {
		return status.Error(codes.Internal, "no")
	}))))
	fit, err := releases(t).Find(t.Context(), []BFF{proxy})
	require.NoError(t, err)
	var all []string
	for _, list := range fit {
		all = append(all, list...)
	}
	require.Equal(t, tl.Releases(), all)
}

func TestNobodyAnswers(t *testing.T) {
	_, err := releases(t).Find(t.Context(), []BFF{dial(t, "bff.bff", "127.0.0.1:1")})
	require.ErrorContains(t, err, "BFF bff.bff: ")
	require.Equal(t, codes.Unavailable, status.Code(err))
}

// What Find relies on, and what it found out about help.getConfig: it is called alike
// in all releases, and its answer is encoded alike, so it cannot tell one from another.
func TestGetConfigIsAlikeInAllReleases(t *testing.T) {
	var first string
	for _, release := range tl.Releases() {
		set, err := tl.ReadSet(release)
		require.NoError(t, err)
		known := false
		for i := range set.Methods {
			m := &set.Methods[i]
			known = known || m.ID == getConfigID && m.Path == getConfigPath && m.Request == "TL_help_getConfig"
		}
		require.True(t, known, release)
		var shape strings.Builder
		for i := range set.Messages {
			if m := &set.Messages[i]; m.Name == "Config" || m.Name == "DcOption" || m.Name == "Reaction" {
				for _, f := range m.AllFields() {
					shape.Write(protowire.AppendVarint(nil, uint64(f.Number)))
					shape.WriteString(m.Name + f.Name + f.Kind)
				}
			}
		}
		if first == "" {
			first = shape.String()
		}
		require.Equal(t, first, shape.String(), release)
	}
}

// Which releases cannot be told from each other: docs/decisions/11-schema-auto.md has
// the lists and the counts.
func TestHowFarReleasesCanBeTold(t *testing.T) {
	list, err := shipped()
	require.NoError(t, err)
	yaml, err := os.ReadFile("../../../../../teamgramd/etc/session.yaml")
	require.NoError(t, err)
	stock := map[string]bool{}
	for _, m := range regexp.MustCompile(`"/(mtproto\.\w+)": "bff\.bff"`).FindAllSubmatch(yaml, -1) {
		stock[string(m[1])] = true
	}
	require.Len(t, stock, 27)

	alike := func(groups func(string) bool) (classes [][]string) {
		methods := differing(list)
		methods = slices.DeleteFunc(methods, func(path string) bool {
			group, _, _ := strings.Cut(path[1:], "/")
			return !groups(group)
		})
		named := map[string][]string{}
		var order []string
		for _, set := range list {
			var has strings.Builder
			for _, path := range methods {
				fmt.Fprint(&has, set.paths[path])
			}
			if named[has.String()] == nil {
				order = append(order, has.String())
			}
			named[has.String()] = append(named[has.String()], set.name)
		}
		for _, key := range order {
			if len(named[key]) > 1 {
				classes = append(classes, named[key])
			}
		}
		return classes
	}
	require.Equal(t, [][]string{{"0.220.4", "0.220.2", "0.220.0"}, {"0.208.0", "0.207.0", "0.206.0"}}, alike(bfftest.Every), "of a BFF that serves all groups")
	require.Equal(t, [][]string{
		{"0.222.3", "0.221.0"},
		{"0.220.4", "0.220.2", "0.220.0", "0.219.0"},
		{"0.218.0", "0.217.0", "0.216.0"},
		{"0.212.0", "0.211.0", "0.208.0", "0.207.0", "0.206.0"},
	}, alike(func(group string) bool { return stock[group] }), "of a BFF that serves the groups of the stock IDMap and no others")

	text, err := os.ReadFile("../../../../../docs/decisions/11-schema-auto.md")
	require.NoError(t, err)
	told := func(groups func(string) bool) int { return len(list) - len(slices.Concat(alike(groups)...)) }
	for pattern, want := range map[string]string{
		`The \d+ releases have \d+ table sets`: fmt.Sprintf("The %d releases have %d table sets", len(tl.Releases()), len(list)),
		`all groups of its release \| \d+`:     fmt.Sprintf("all groups of its release | %d", told(bfftest.Every)),
		`and no others \| \d+`:                 fmt.Sprintf("and no others | %d", told(func(group string) bool { return stock[group] })),
	} {
		require.Equal(t, want, regexp.MustCompile(pattern).FindString(string(text)))
	}
}
