package dispatch

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"google.golang.org/grpc"

	"github.com/tgsession/tgsession/app/internal/conf"
)

// groupPrefix stands before a group's name in IDMap, as it does in gRPC paths.
const groupPrefix = "/mtproto."

// Routes says which client serves a group of methods.
type Routes map[string]grpc.ClientConnInterface

// NewRoutes reads an IDMap: "/mtproto.RPCXxx" to the name of a client. Names
// of groups are those of the schema, without regard to case; never prefixes
// of longer ones. An entry that routes nothing makes a warning.
func NewRoutes(groups []string, idMap map[string]string, clients map[string]grpc.ClientConnInterface) (routes Routes, warnings []string) {
	routes = Routes{}
	byFold := make(map[string]string, len(groups))
	for _, g := range groups {
		byFold[strings.ToLower(g)] = g
	}
	for _, key := range slices.Sorted(maps.Keys(idMap)) {
		name := strings.TrimPrefix(key, groupPrefix)
		group, known := byFold[strings.ToLower(name)]
		if !known {
			hint := ""
			if near := conf.Nearest(name, groups); near != "" {
				hint = fmt.Sprintf(" (nearest known group: %s%s)", groupPrefix, near)
			}
			warnings = append(warnings, fmt.Sprintf("BFFProxyClients.IDMap: %s names no group of methods and has no effect%s", key, hint))
			continue
		}
		client, known := clients[idMap[key]]
		if !known {
			names := strings.Join(slices.Sorted(maps.Keys(clients)), ", ")
			warnings = append(warnings, fmt.Sprintf(
				"BFFProxyClients.IDMap: %s goes to %q, but no client under BFFProxyClients.Clients has that Etcd.Key (there are: %s); calls of %s are answered METHOD_NOT_IMPL",
				key, idMap[key], names, group))
			continue
		}
		routes[group] = client
	}
	return routes, warnings
}

// Groups lists the groups that are routed, sorted.
func (r Routes) Groups() []string { return slices.Sorted(maps.Keys(r)) }
