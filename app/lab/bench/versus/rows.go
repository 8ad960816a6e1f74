package versus

// Row is one kind of load, on session and on the floor in turn.
type Row struct {
	Key  string  // its name on the command line
	Name string  // for people
	Goal float64 // session's CPU time in parts of the floor's, at most

	streams bool // gateway and sync speak through streams, both ways; else by unary calls
	push    bool // a push from sync; else a call of a client
	unlike  bool // each push is another one; else they are alike, as those to the members of a group
	body    body
}

// pushesAtCall is how many pushes are measured where one call would be: they cost
// so little that fewer would be lost in what else the process does.
const pushesAtCall = 4

// operations is how many a measurement of the row has, where calls are so many.
func (row Row) operations(calls int) int {
	if row.push {
		return pushesAtCall * calls
	}
	return calls
}

// Rows lists the rows in the order in which they are measured.
func Rows() []Row {
	return []Row{
		{Key: "call-unary", Name: "small call, unary", Goal: 1.10, body: nobody},
		{Key: "call", Name: "small call, streams", Goal: 1.20, streams: true, body: nobody},
		{Key: "users7", Name: "call answered by 7 users (0.9 KB, packed), streams", Goal: 1.5, streams: true, body: fewUsers},
		{Key: "users170", Name: "call answered by 170 users (18 KB, packed), streams", Goal: 2.0, streams: true, body: manyUsers},
		{Key: "push", Name: "push of 28 B, streams", Goal: 1.3, streams: true, push: true, body: typing},
		{Key: "push1k", Name: "push of 1 KB (2 messages, 3 users, packed), streams", Goal: 1.9, streams: true, push: true, body: messages},
		{Key: "push1k-unlike", Name: "the same, each another one", Goal: 1.9, streams: true, push: true, unlike: true, body: messages},
		{Key: "push-unary", Name: "push of 28 B, unary", Goal: 0.9, push: true, body: typing},
	}
}

// ShortRows are the keys of those that the short form measures: the two ways
// through a node.
var ShortRows = []string{"call", "push"}

// State is what keys cost that do nothing.
type State struct {
	Key  string  `json:"key"`
	Name string  `json:"name"`
	Unit string  `json:"unit"`
	Goal float64 `json:"goal"` // at most, in Unit; 0: none is set
}

// The states.
const (
	idleMemory = "idle-memory"
	idleCPU    = "idle-cpu"
	pingCPU    = "ping-cpu"
)

// States lists the states in the order in which they are measured.
func States() []State {
	return []State{
		{Key: idleMemory, Name: "idle logged-in key, resident memory", Unit: "KiB", Goal: 2.0},
		{Key: idleCPU, Name: "silent logged-in keys, CPU time", Unit: "s/min", Goal: 0.30},
		{Key: pingCPU, Name: "keys that ping once a minute, CPU time", Unit: "s/min"},
	}
}
