package conf

import (
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// step of a path: a name, an index in brackets, or a quoted name in brackets, for
// a map's key that holds dots.
var step = regexp.MustCompile(`^\.?(?:\[(\d+)\]|\["([^"]*)"\]|([^.\[]+))`)

// Line returns the number of the line, from 1, at which the YAML or JSON file at
// path has the key, written as in a KeyError ("Mysql.DSN", "Cache[0].Host",
// `IDMap["/mtproto.RPCUsers"]`), or else the nearest key above it that is there.
// 0: there is none, or the file cannot be read; of a TOML file nobody knows.
func Line(path, key string) int {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".yaml", ".yml", ".json":
	default:
		return 0
	}
	content, err := ReadFile(path)
	if err != nil {
		return 0
	}
	var file yaml.Node
	if yaml.Unmarshal(content, &file) != nil || len(file.Content) == 0 {
		return 0
	}
	at, line := file.Content[0], 0
	for key != "" {
		m := step.FindStringSubmatch(key)
		if m == nil {
			break
		}
		key = key[len(m[0]):]
		value, found := below(at, m[1], m[2]+m[3])
		if value == nil {
			break
		}
		at, line = value, found
	}
	return line
}

// below returns what node has at an index or under a name, and where.
func below(node *yaml.Node, index, name string) (value *yaml.Node, line int) {
	if node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	switch {
	case index != "" && node.Kind == yaml.SequenceNode:
		if i, err := strconv.Atoi(index); err == nil && i < len(node.Content) {
			return node.Content[i], node.Content[i].Line
		}
	case index == "" && node.Kind == yaml.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			if strings.EqualFold(node.Content[i].Value, name) {
				return node.Content[i+1], node.Content[i].Line
			}
		}
	}
	return nil, 0
}
