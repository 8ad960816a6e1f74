package versus

// Row is one kind of load, on session and on the floor in turn.
type Row struct {
	Key  string // for --rows
	Name string
	Goal float64 // session's CPU time in parts of the floor's, at most

	streams bool // gateway and sync speak through streams, both ways; else by unary calls
	push    bool // a push from sync; else a call of a client
	body    string
}

// The bodies: what the BFF answers, what sync pushes.
const (
	bodyNone  = "empty answer"
	bodyFew   = "7 users"
	bodyMany  = "170 users"
	bodyTiny  = "updateShort"
	bodyTexts = "2 messages, 3 users"
)

// Rows lists the rows in the order in which they are measured.
func Rows() []Row {
	return []Row{
		{Key: "call-unary", Name: "small call, unary", Goal: 1.10, body: bodyNone},
		{Key: "call", Name: "small call, streams", Goal: 1.20, streams: true, body: bodyNone},
		{Key: "users7", Name: "call answered by 7 users (0.9 KB, packed), streams", Goal: 1.5, streams: true, body: bodyFew},
		{Key: "users170", Name: "call answered by 170 users (18 KB, packed), streams", Goal: 2.0, streams: true, body: bodyMany},
		{Key: "push", Name: "push of 28 B, streams", Goal: 1.3, streams: true, push: true, body: bodyTiny},
		{Key: "push1k", Name: "push of 1 KB (2 messages, 3 users, packed), streams", Goal: 1.9, streams: true, push: true, body: bodyTexts},
		{Key: "push-unary", Name: "push of 28 B, unary", Goal: 0.9, push: true, body: bodyTiny},
	}
}
