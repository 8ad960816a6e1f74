package core

import "encoding/json"

// Bounds of the params of initConnection, as session has them for its clients: real
// ones hold one number. They are stored, cached for an hour and sent with every
// state of the key, and anybody can send some, without a login.
const (
	maxParams      = 4096 // bytes
	maxParamsDepth = 16   // arrays and objects in each other
)

// boundedParams is "null" for what is no JSON, or too much of it.
func boundedParams(text string) string {
	if len(text) > maxParams || !json.Valid([]byte(text)) || depth(text) > maxParamsDepth {
		return "null"
	}
	return text
}

// depth is how deep arrays and objects of a JSON text are in each other.
func depth(text string) (deepest int) {
	now, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[' || c == '{':
			now++
			deepest = max(deepest, now)
		case c == ']' || c == '}':
			now--
		}
	}
	return deepest
}
