package sess

// Revoked reports whether the key's login was ended elsewhere: the key is of
// no more use, and a gateway that asks for it is told so. It may be called
// between steps.
func (w *MainAuthWrapper) Revoked() bool { return w.state == StateRevoked }
