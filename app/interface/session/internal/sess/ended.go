package sess

// EndReason says why a session has ended here.
type EndReason uint8

// The reasons.
const (
	EndIdle        EndReason = iota // its client was silent, on a connection that nobody closed
	EndClosed                       // its gateway had closed the connection, and the client did not come back
	EndDeadGateway                  // packets did not reach it through its gateway, and the client did not come back
	EndRevoked                      // its login was ended elsewhere, or its key destroyed; the session stays, to tell the client
	EndLimit                        // it made room for another one (MaxSessions, MaxTempKeys)
	EndDestroyed                    // its client has ended it, or dropped its temp key
	EndMoved                        // another node has it now
	EndReasons
)

var endReasons = [EndReasons]string{"idle", "closed", "dead_gateway", "revoked", "limit", "destroyed", "moved"}

func (r EndReason) String() string { return endReasons[r] }

// Ended is a session that has ended in a step.
type Ended struct {
	AuthKeyID int64 // transport key
	SessionID int64
	UserID    int64 // whose login the key has; 0: nobody's, or it is not known
	Gateway   string
	Reason    EndReason
}

// end tells the world that a session has ended. It changes nothing.
func (w *MainAuthWrapper) end(s *session, why EndReason) {
	gateway := s.server
	if gateway == "" {
		gateway = s.lastServer
	}
	w.out.Ended = append(w.out.Ended, Ended{s.list.authKeyID, s.id, w.login.userID, gateway, why})
}

// held is how many bytes wait in the outboxes of all sessions, or to be acknowledged.
func (w *MainAuthWrapper) held() (bytes int) {
	for s := range w.sessions() {
		bytes += s.bytes
	}
	return bytes
}
