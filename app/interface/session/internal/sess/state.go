package sess

// State is the authorization state of a wrapper (PEERS.md, "Auth states").
type State int32

// The states of a key.
const (
	StateUnknown      State = 0 // not loaded yet
	StateNew          State = 1 // key without client info
	StatePermBound    State = 2
	StateWaitInit     State = 3
	StateUnauthorized State = 4 // no user bound
	StateNeedPassword State = 5 // the login waits for the password
	StateNormal       State = 6 // logged in
	StateLoggedOut    State = 7 // by auth.logOut of this key
	StateRevoked      State = 8 // ended elsewhere
)
