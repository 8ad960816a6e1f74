package wire

import "strings"

// InitConnection is what initConnection tells about a client, as valid UTF-8.
// Proxy and Params are JSON text, "null" when absent (rule INIT-2).
type InitConnection struct {
	APIID          int32
	DeviceModel    string
	SystemVersion  string
	AppVersion     string
	SystemLangCode string
	LangPack       string
	LangCode       string
	Proxy          string
	Params         string
}

// ReadInitConnection reads initConnection, whose id the reader has passed, up
// to its query. old selects the version without params.
func ReadInitConnection(r *Reader, old bool) InitConnection {
	flags := r.Int()
	c := InitConnection{
		APIID:          r.Int(),
		DeviceModel:    r.text(),
		SystemVersion:  r.text(),
		AppVersion:     r.text(),
		SystemLangCode: r.text(),
		LangPack:       r.text(),
		LangCode:       r.text(),
		Proxy:          "null",
		Params:         "null",
	}
	if flags&1 != 0 {
		c.Proxy = r.proxy()
	}
	if flags&2 != 0 && !old {
		c.Params = r.params()
	}
	return c
}

// maxText is how much of what a client tells of itself is of interest: storage
// has room for as many characters, and calls carry some of it with them.
const maxText = 255

// text reads a string.
func (r *Reader) text() string {
	b := r.Bytes()
	return strings.ToValidUTF8(string(b[:min(len(b), maxText)]), "\uFFFD")
}

func (r *Reader) proxy() string {
	r.expect(IDInputClientProxy)
	b := append([]byte(nil), `{"address":`...)
	b = appendJSONString(b, r.Bytes())
	b = append(b, `,"port":`...)
	b = appendJSONInt(b, int64(r.Int()))
	return string(append(b, '}'))
}
