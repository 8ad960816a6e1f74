package wire

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
)

// Bounds of the JSON value of initConnection: real ones hold one number.
const (
	maxJSONDepth = 16
	maxJSONText  = 4096
)

// params reads a JSONValue as JSON text.
func (r *Reader) params() string {
	b := r.appendJSON(nil, maxJSONDepth)
	if !r.OK() {
		return "null"
	}
	return string(b)
}

func (r *Reader) appendJSON(dst []byte, depth int) []byte {
	if depth == 0 || len(dst) > maxJSONText {
		r.bad, r.b = true, nil
		return dst
	}
	switch r.ID() {
	case IDJSONNull:
		return append(dst, "null"...)
	case IDJSONBool:
		return strconv.AppendBool(dst, r.boolean())
	case IDJSONNumber:
		return appendJSONNumber(dst, math.Float64frombits(uint64(r.Long())))
	case IDJSONString:
		return appendJSONString(dst, r.Bytes())
	case IDJSONArray:
		dst = append(dst, '[')
		for i := range r.count() {
			if i > 0 {
				dst = append(dst, ',')
			}
			if dst = r.appendJSON(dst, depth-1); !r.OK() {
				break
			}
		}
		return append(dst, ']')
	case IDJSONObject:
		dst = append(dst, '{')
		for i := range r.count() {
			if i > 0 {
				dst = append(dst, ',')
			}
			r.expect(IDJSONObjectValue)
			dst = append(appendJSONString(dst, r.Bytes()), ':')
			if dst = r.appendJSON(dst, depth-1); !r.OK() {
				break
			}
		}
		return append(dst, '}')
	}
	r.bad, r.b = true, nil
	return dst
}

// count reads the head of a vector whose elements take at least four bytes.
func (r *Reader) count() int {
	r.expect(IDVector)
	n := int(r.Int())
	if n < 0 || n > len(r.b)/4 {
		r.bad, r.b = true, nil
		return 0
	}
	return n
}

func (r *Reader) boolean() bool {
	switch r.ID() {
	case IDTrue:
		return true
	case IDFalse:
	default:
		r.bad, r.b = true, nil
	}
	return false
}

func appendJSONInt(dst []byte, v int64) []byte { return strconv.AppendInt(dst, v, 10) }

func appendJSONNumber(dst []byte, v float64) []byte {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return append(dst, "null"...)
	}
	return strconv.AppendFloat(dst, v, 'f', -1, 64)
}

func appendJSONString(dst, s []byte) []byte {
	text, err := json.Marshal(strings.ToValidUTF8(string(s[:min(len(s), maxJSONText)]), "\uFFFD"))
	if err != nil { // a string always marshals
		return append(dst, `""`...)
	}
	return append(dst, text...)
}
