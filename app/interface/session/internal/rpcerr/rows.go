package rpcerr

// Row is an error of the catalogue.
type Row struct {
	*Error
	Name string // of the variable
	To   string // who sees it
	When string
	Then string // what they do, or should
}

// Who sees errors.
const (
	toClients  = "client"
	toGateways = "gateway"
	toPushers  = "gateway or sync"
	toNodes    = "session node"
	toNobody   = "nobody"
)

// Rows is the catalogue, by who sees what.
var Rows = []Row{
	{ErrInputFetch, "ErrInputFetch", toClients, "The bytes of a call or of a service message do not parse by the schema.", "A fault of the client: it gives the call up."},
	{ErrInputConstructor, "ErrInputConstructor", toClients, "A call holds a constructor that no layer of the table set has.", "The client is newer than `Schema`: see [configuration](configuration.md)."},
	{ErrInputMethod, "ErrInputMethod", toClients, "No layer of the table set has the method.", "The client is newer than `Schema`: see [configuration](configuration.md)."},
	{ErrInputTooLong, "ErrInputTooLong", toClients, "A call becomes longer than `Session.RequestBytes`, or `NoLoginBytes` without a login, unpacks to more than `GunzipBytes`, is nested deeper than any client nests, counts more elements than it can hold, or is a request that is larger than gRPC lets through.", "The client gives the call up."},
	{ErrLayerInvalid, "ErrLayerInvalid", toClients, "invokeWithLayer names no layer.", "A fault of the client."},
	{ErrMethodNotImpl, "ErrMethodNotImpl", toClients, "The BFF does not know the method, or `BFFProxyClients.IDMap` has no BFF for it.", "The client hides the feature. Where the BFF has it, `session doctor` tells the missing entry."},
	{ErrMsgWaitTimeout, "ErrMsgWaitTimeout", toClients, "A call waited longer than `Session.AfterWait` for one that it names by invokeAfterMsg, or for the state of its login.", "Clients repeat it."},
	{ErrMsgWaitFailed, "ErrMsgWaitFailed", toClients, "The call that invokeAfterMsg names failed.", "Clients repeat both."},
	{ErrTakeoutQuery, "ErrTakeoutQuery", toClients, "invokeWithTakeout holds what cannot be asked in a takeout.", "A fault of the client."},
	{ErrTakeoutRequired, "ErrTakeoutRequired", toClients, "invokeWithTakeout names no takeout.", "The client begins a takeout."},
	{ErrKeyUnregistered, "ErrKeyUnregistered", toClients, "Nobody is logged in with the key, and the method needs a login; or the login has ended.", "The client logs itself out. It is never answered for a fault."},
	{ErrPermEmpty, "ErrPermEmpty", toClients, "A temp key is bound to no perm key, or not any more.", "The client makes a temp key and binds it."},
	{ErrPasswordNeeded, "ErrPasswordNeeded", toClients, "The login waits for its password.", "The client asks for it."},
	{ErrFlood, "ErrFlood", toClients, "More calls of a key wait than `MaxQueued` or `QueuedBytes`; the login is not known yet and the call is large; strangers at one address have had `StrangerBytes` read.", "Clients repeat it after a second."},
	{ErrFloodNode, "ErrFloodNode", toClients, "More calls wait on the node than `Session.Calls` or `CallBytes`.", "Clients repeat it after three seconds."},
	{ErrSessionGone, "ErrSessionGone", toNobody, "A call that may log in was not made, since its session had ended before authsession knew of the attempt.", "Nobody waits for it."},
	{ErrAnswerForgotten, "ErrAnswerForgotten", toClients, "A call was made, and its answer had to give way (`AnswerBytes`, `KeyBytes`) before the client had it.", "The client must not make the call again by itself: it was carried out."},
	{ErrResponseTooLong, "ErrResponseTooLong", toClients, "A BFF's answer is larger than gRPC lets through, or than a packet can be (`Session.PayloadBytes`).", "Raise the limit, or ask for less."},
	{ErrCallFailed, "ErrCallFailed", toClients, "The breaker of a method is open: most of its calls failed a moment ago.", "Clients repeat it later."},
	{ErrInternal, "ErrInternal", toClients, "A fault of session or of a peer. The log has the cause; its text stays on the node.", "Clients repeat it or show an error."},
	{ErrTimeout, "ErrTimeout", toClients, "A BFF did not answer within `Session.CallTimeout` (`MediaCallTimeout`), or nobody knows what came of the call.", "Clients repeat it: it may have been carried out."},

	{ErrChannelFull, "ErrChannelFull", toPushers, "The mailbox of the key is full (`Session.DataChannel`, `DataChannelBytes`), or too many keys are being looked up. A push that is refused is told to the client as updatesTooLong.", "A gateway of streams repeats it; a stock one drops the packet, and the client repeats it."},
	{ErrOverloaded, "ErrOverloaded", toPushers, "go-zero's load shedding, where `CpuThreshold` is set.", "A gateway of streams repeats it; a stock one drops the packet, and the client repeats it."},
	{ErrInputInvalid, "ErrInputInvalid", toPushers, "A request lacks what it must have.", "A fault of the caller; the log of the caller has it."},
	{ErrNotAllowed, "ErrNotAllowed", toPushers, "`AllowPeers` does not name the caller's address ([security](security.md#who-may-call)).", "The peer logs it; the list has to be mended."},
	{ErrUnregistered, "ErrUnregistered", toGateways, "authsession does not know the key.", "The gateway closes the connection by -404; the client makes a new key."},
	{ErrInternal, "ErrInternal", toGateways, "A fault of session or of authsession.", "Logged by the gateway; the client repeats its packet."},
	{ErrNodeStranger, "ErrNodeStranger", toNodes, "Somebody who is no node of the ring asks for a key (`Nodes.Token`, [security](security.md)).", "Logged."},
	{ErrKeyStays, "ErrKeyStays", toNodes, "A node asks for a key that this one takes for its own: one of the two has not heard of the ring's last change.", "It asks again."},
}
