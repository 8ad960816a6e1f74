package sess

import (
	"strings"
	"time"

	sessionpb "github.com/tgsession/tgsession/proto/session"
)

// storeBurst is how many changes a client may have stored one right after the other.
const storeBurst = 8

// client is what calls need to know of the client, and a hash of all that
// storage knows.
type client struct {
	name, langPack, langCode string
	hash                     uint64 // 0: nothing is known, or storage may not know it
}

// profile is what the client has told of itself, by initConnection and
// invokeWithLayer, and what storage has of that (rules INIT-1 and INIT-3). client.go
// stores it. Times are Unix nanoseconds.
//
// Between two Steps:
//   - saving is how many SetInitConnection have no answer yet.
//   - unsaved waits for storage to be known, or for its turn: else it is nil.
//   - storedTo is no more than storeBurst times StoreEvery from now.
type profile struct {
	client      client
	unsaved     *ClientInfo // what initConnection told and storage has not been told yet; nil: nothing
	storedTo    int64       // until when the changes stored so far take their turns
	layer       int32       // the key's, for sessions that announced none; 0: not known
	layerStored int32       // what storage has; -1: not known
	saving      int32       // SetInitConnections on their way to storage
	storeLater  bool        // something waits to be stored
}

// speaks notes the layer that a session has announced last.
func (p *profile) speaks(layer int32) { p.layer = layer }

// introduce notes what initConnection tells. It returns false when that is known.
func (p *profile) introduce(info *ClientInfo) bool {
	known := clientOf(info)
	if known.hash == p.client.hash {
		return false
	}
	p.client, p.unsaved = known, info
	return true
}

// adopt takes in what storage has. What the client told meanwhile is newer.
func (p *profile) adopt(stored *ClientInfo) {
	p.layerStored = stored.Layer
	if p.layer == 0 {
		p.layer = stored.Layer
	}
	known := clientOf(stored)
	if stored.APIID == 0 && stored.DeviceModel == "" && stored.LangPack == "" {
		known.hash = 0
	}
	switch p.client.hash {
	case 0:
		p.client = known
	case known.hash:
		p.unsaved = nil
	}
}

// layerUnsaved reports whether storage has another layer.
func (p *profile) layerUnsaved() bool { return p.layer != 0 && p.layer != p.layerStored }

// saveLayer notes that storage is told of the layer.
func (p *profile) saveLayer() { p.layerStored = p.layer }

// loseLayer notes that storage was not told, or did not take it. It is told when the
// client says it again.
func (p *profile) loseLayer() { p.layerStored = -1 }

// saveClient notes that storage is told of the client, and returns what.
func (p *profile) saveClient() ClientInfo {
	info := *p.unsaved
	p.unsaved = nil
	p.saving++
	return info
}

// loseClient notes that storage is not told. It is told when the client says it again.
func (p *profile) loseClient() { p.unsaved, p.client.hash = nil, 0 }

// savedClient notes whether storage has taken it. If not it is told when the client
// says it again.
func (p *profile) savedClient(failed bool) {
	if p.saving--; failed {
		p.client.hash = 0
	}
}

// storesAt is when the next change may be stored, one in every.
func (p *profile) storesAt(every time.Duration) int64 {
	return p.storedTo - (storeBurst-1)*int64(every)
}

// takeTurn reports whether a change may be stored now. Each is a write in a database,
// and a client may tell another layer or another device with each packet, without a
// login. What may not is stored later, as far as it still is so then.
func (p *profile) takeTurn(now int64, every time.Duration) bool {
	if now < p.storesAt(every) {
		p.postpone()
		return false
	}
	p.storedTo = max(p.storedTo, now) + int64(every)
	return true
}

// postpone notes that something waits to be stored.
func (p *profile) postpone() { p.storeLater = true }

// waited reports whether something has waited long enough, once.
func (p *profile) waited(now int64, every time.Duration) bool {
	if !p.storeLater || now < p.storesAt(every) {
		return false
	}
	p.storeLater = false
	return true
}

// export writes the profile for the node that gets the key. Nothing is on its way to
// storage then.
func (p *profile) export(st *sessionpb.KeyState, moment func(int64) int64) {
	st.Layer, st.LayerSaved, st.StoredTo = p.layer, p.layerStored, moment(p.storedTo)
	st.Flags |= when(keyStoreLater, p.storeLater)
	c := &p.client
	st.Client = &sessionpb.KeyClient{Name: c.name, LangPack: c.langPack, LangCode: c.langCode, Hash: c.hash}
	if t := p.unsaved; t != nil {
		st.Told = &sessionpb.StoredClient{
			Ip: t.IP, Layer: t.Layer, ApiId: t.APIID, DeviceModel: t.DeviceModel, SystemVersion: t.SystemVersion, AppVersion: t.AppVersion,
			SystemLangCode: t.SystemLangCode, LangPack: t.LangPack, LangCode: t.LangCode, Proxy: t.Proxy, Params: t.Params,
		}
	}
}

// restore reads what export wrote of a key.
func (p *profile) restore(st *sessionpb.KeyState, at func(int64) int64) {
	c := st.GetClient()
	*p = profile{
		client: client{name: c.GetName(), langPack: c.GetLangPack(), langCode: c.GetLangCode(), hash: c.GetHash()},
		layer:  st.GetLayer(), layerStored: st.GetLayerSaved(), storedTo: at(st.GetStoredTo()), storeLater: has(st.GetFlags(), keyStoreLater),
	}
	if t := st.GetTold(); t != nil {
		p.unsaved = &ClientInfo{
			IP: t.GetIp(), Layer: t.GetLayer(), APIID: t.GetApiId(), DeviceModel: t.GetDeviceModel(), SystemVersion: t.GetSystemVersion(),
			AppVersion: t.GetAppVersion(), SystemLangCode: t.GetSystemLangCode(), LangPack: t.GetLangPack(), LangCode: t.GetLangCode(),
			Proxy: t.GetProxy(), Params: t.GetParams(),
		}
	}
}

// clientOf names the client (PEERS.md, "authsession") and hashes what is
// stored of it. Proxy and params alone change nothing.
func clientOf(c *ClientInfo) client {
	name := c.LangPack
	switch {
	case name == "android" && strings.Contains(c.AppVersion, "TDLib"):
		name = "react"
	case name == "" && (strings.HasSuffix(c.AppVersion, " A") || strings.HasSuffix(c.AppVersion, " Z")):
		name = "weba"
	}
	const offset, prime = 14695981039346656037, 1099511628211 // FNV-1a
	hash := uint64(offset)
	for _, s := range [...]string{c.IP, c.DeviceModel, c.SystemVersion, c.AppVersion, c.SystemLangCode, c.LangPack, c.LangCode} {
		for i := range len(s) {
			hash = (hash ^ uint64(s[i])) * prime
		}
		hash = (hash ^ 0xff) * prime
	}
	hash = (hash ^ uint64(uint32(c.APIID))) * prime
	return client{name: name, langPack: c.LangPack, langCode: c.LangCode, hash: max(hash, 1)}
}
