package conformance

import (
	"encoding/binary"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/mt"
	"github.com/gotd/td/tg"
)

// day is how long temporary keys are asked for, as clients do.
const day = 86400

// Calls that need no login. Their results tell the two apart.
var (
	nearestDC = &tg.HelpGetNearestDCRequest{}
	config    = &tg.HelpGetConfigRequest{}
)

// personal needs a login.
var personal = &tg.UpdatesGetStateRequest{}

// selfHistory asks for the user's latest messages to themselves.
var selfHistory = &tg.MessagesGetHistoryRequest{Peer: &tg.InputPeerSelf{}, Limit: 100}

// nonsense is a method that there is not.
var nonsense = binary.LittleEndian.AppendUint32(nil, 0xdeadbeef)

func ping(id int64) []byte { return encode(&mt.PingRequest{PingID: id}) }

func acknowledge(ids ...int64) []byte { return encode(&mt.MsgsAck{MsgIDs: ids}) }

const deviceModel = "Conformance"

func initConnection(query bin.Object) *tg.InitConnectionRequest {
	return &tg.InitConnectionRequest{APIID: 4, DeviceModel: deviceModel, SystemVersion: "1", AppVersion: "1.0", SystemLangCode: "en", LangCode: "en", Query: query}
}

// initialised wraps a call as clients do at start.
func initialised(query bin.Object) *tg.InvokeWithLayerRequest {
	return &tg.InvokeWithLayerRequest{Layer: tg.Layer, Query: initConnection(query)}
}
