package sess

// noteClient takes in what wrappers told: the layer is the session's, and that of
// sessions that never announce one (rule INIT-1); the rest is the key's (rule
// INIT-3). Repeating it costs nothing (rule INIT-5).
func (w *MainAuthWrapper) noteClient(s *session, d *Data, q *invocation) {
	if q.layer > 0 && s.layer != q.layer {
		s.layer = q.layer
		w.profile.speaks(q.layer)
	}
	if q.layer > 0 {
		w.saveLayer(d.ClientIP)
	}
	if q.init == nil {
		return
	}
	info := &ClientInfo{
		IP: d.ClientIP, Layer: w.profile.layer, APIID: q.init.APIID,
		DeviceModel: q.init.DeviceModel, SystemVersion: q.init.SystemVersion, AppVersion: q.init.AppVersion,
		SystemLangCode: q.init.SystemLangCode, LangPack: q.init.LangPack, LangCode: q.init.LangCode,
		Proxy: q.init.Proxy, Params: q.init.Params,
	}
	if w.profile.introduce(info) {
		w.saveClient()
	}
}

// saveLayer stores the key's layer if it changed.
func (w *MainAuthWrapper) saveLayer(ip string) {
	if !w.mayStore() || !w.profile.layerUnsaved() || !w.storeTurn() {
		return
	}
	if w.busy() {
		w.profile.loseLayer()
		return
	}
	w.profile.saveLayer()
	w.ask(ask{kind: askLayer}, &SetLayer{AuthKeyID: w.key, IP: ip, Layer: w.profile.layer})
}

// saveClient stores what initConnection told.
func (w *MainAuthWrapper) saveClient() {
	if !w.mayStore() || w.profile.unsaved == nil || !w.storeTurn() {
		return
	}
	if w.busy() {
		w.profile.loseClient()
		return
	}
	w.ask(ask{kind: askClient}, &SetInitConnection{AuthKeyID: w.key, Client: w.profile.saveClient()})
}

// mayStore reports whether it is known what storage has, so that only changes
// go there. An unbound key has no place there.
func (w *MainAuthWrapper) mayStore() bool {
	return !w.binding.unbound && w.login.state != StateUnknown && !w.login.destroyed
}

// adoptClient compares what storage has with what the client told meanwhile.
func (w *MainAuthWrapper) adoptClient(stored *ClientInfo) {
	w.profile.adopt(stored)
	w.saveLayer(w.layerIP(stored.IP))
	w.saveClient()
}

// layerIP is where the session is that told the key's layer; known, if that is not
// known.
func (w *MainAuthWrapper) layerIP(known string) string {
	for s := range w.sessions() {
		if s.layer == w.profile.layer {
			known = s.ip
		}
	}
	return known
}

// storeTurn reports whether a change may be stored now. What may not is stored later:
// by the node that gets the key, if this one hands it over.
func (w *MainAuthWrapper) storeTurn() bool {
	if w.leaving {
		w.profile.postpone()
		return false
	}
	return w.profile.takeTurn(w.now, w.cfg.StoreEvery)
}

// storesAt is when what waits is stored; 0: nothing does.
func (w *MainAuthWrapper) storesAt() int64 {
	if !w.profile.storeLater || w.leaving {
		return 0
	}
	return w.profile.storesAt(w.cfg.StoreEvery)
}

// storeWaiting stores what had to wait.
func (w *MainAuthWrapper) storeWaiting() {
	if !w.leaving && w.profile.waited(w.now, w.cfg.StoreEvery) {
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
