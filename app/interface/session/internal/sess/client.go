package sess

import (
	"strings"
)

// client is what calls need to know of the client, and a hash of all that
// storage knows.
type client struct {
	name, langPack, langCode string
	hash                     uint64 // 0: nothing is known
}

// learn takes in what wrappers told: the layer is the session's, and that of
// sessions that never announce one (rule INIT-1); the rest is the key's (rule
// INIT-3). Repeating it costs nothing (rule INIT-5).
func (w *MainAuthWrapper) learn(s *session, d *Data, q *query) {
	if q.layer > 0 && s.layer != q.layer {
		s.layer, w.layer = q.layer, q.layer
	}
	if q.layer > 0 {
		w.saveLayer(d.ClientIP)
	}
	if q.init == nil {
		return
	}
	info := &ClientInfo{
		IP: d.ClientIP, Layer: w.layer, APIID: q.init.APIID,
		DeviceModel: q.init.DeviceModel, SystemVersion: q.init.SystemVersion, AppVersion: q.init.AppVersion,
		SystemLangCode: q.init.SystemLangCode, LangPack: q.init.LangPack, LangCode: q.init.LangCode,
		Proxy: q.init.Proxy, Params: q.init.Params,
	}
	if known := clientOf(info); known.hash != w.client.hash {
		w.client, w.told = known, info
		w.saveClient()
	}
}

// saveLayer stores the key's layer if it changed.
func (w *MainAuthWrapper) saveLayer(ip string) {
	if !w.mayStore() || w.layer == 0 || w.layer == w.layerSaved || !w.storeTurn() {
		return
	}
	if w.layerSaved = w.layer; w.busy() {
		w.layerSaved = -1
		return
	}
	w.ask(ask{kind: askLayer}, &SetLayer{AuthKeyID: w.key, IP: ip, Layer: w.layer})
}

// saveClient stores what initConnection told.
func (w *MainAuthWrapper) saveClient() {
	if !w.mayStore() || w.told == nil || !w.storeTurn() {
		return
	}
	if w.busy() {
		w.told, w.client.hash = nil, 0
		return
	}
	w.saving++
	w.ask(ask{kind: askClient}, &SetInitConnection{AuthKeyID: w.key, Client: *w.told})
	w.told = nil
}

// mayStore reports whether it is known what storage has, so that only changes
// go there. An unbound key has no place there.
func (w *MainAuthWrapper) mayStore() bool {
	return !w.binding.unbound && w.login.state != StateUnknown && !w.login.destroyed
}

// adoptClient compares what storage has with what the client told meanwhile.
func (w *MainAuthWrapper) adoptClient(stored *ClientInfo) {
	w.layerSaved = stored.Layer
	if w.layer == 0 {
		w.layer = stored.Layer
	}
	known := clientOf(stored)
	if stored.APIID == 0 && stored.DeviceModel == "" && stored.LangPack == "" {
		known.hash = 0
	}
	switch w.client.hash {
	case 0:
		w.client = known
	case known.hash:
		w.told = nil
	}
	w.saveLayer(w.layerIP(stored.IP))
	w.saveClient()
}

// layerIP is where the session is that told the key's layer; known, if that is not
// known.
func (w *MainAuthWrapper) layerIP(known string) string {
	for s := range w.sessions() {
		if s.layer == w.layer {
			known = s.ip
		}
	}
	return known
}

// storeBurst is how many changes a client may have stored one right after the other.
const storeBurst = 8

// storeTurn reports whether what the client tells of itself may be stored now. Each
// change is a write in a database, and a client may tell another layer or another
// device with each packet, without a login. What may not is stored later, as far as
// it still is so then.
func (w *MainAuthWrapper) storeTurn() bool {
	if w.leaving || w.now < w.storesAt() {
		w.storeLater = true
		return false
	}
	w.storedTo = max(w.storedTo, w.now) + int64(w.cfg.StoreEvery)
	return true
}

// storesAt is when the next change may be stored.
func (w *MainAuthWrapper) storesAt() int64 {
	return w.storedTo - (storeBurst-1)*int64(w.cfg.StoreEvery)
}

// storeWaiting stores what had to wait.
func (w *MainAuthWrapper) storeWaiting() {
	if w.storeLater && !w.leaving && w.now >= w.storesAt() {
		w.storeLater = false
		w.saveLayer(w.layerIP(w.lastIP()))
		w.saveClient()
	}
}

// lastIP is where the client spoke from last.
func (w *MainAuthWrapper) lastIP() (ip string) {
	at := int64(0)
	for s := range w.sessions() {
		if s.lastSeen >= at {
			at, ip = s.lastSeen, s.ip
		}
	}
	return ip
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
	hash = (hash ^ uint64(uint32(c.APIID))) * prime //nolint:gosec // a hash
	return client{name: name, langPack: c.LangPack, langCode: c.LangCode, hash: max(hash, 1)}
}
