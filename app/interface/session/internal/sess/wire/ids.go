package wire

// Constructor ids (https://core.telegram.org/schema/mtproto).
const (
	IDVector = 0x1cb5c415
	IDTrue   = 0x997275b5
	IDFalse  = 0xbc799737

	IDMsgContainer = 0x73f1f8dc
	IDMsgCopy      = 0xe06046b2
	IDGzipPacked   = 0x3072cfa1

	IDRPCResult               = 0xf35c6d01
	IDRPCError                = 0x2144ca19
	IDRPCDropAnswer           = 0x58e4a740
	IDRPCAnswerUnknown        = 0x5e2ad36e
	IDRPCAnswerDroppedRunning = 0xcd78e586
	IDRPCAnswerDropped        = 0xa43ad8b7

	IDMsgsAck            = 0x62d6b459
	IDBadMsgNotification = 0xa7eff811
	IDBadServerSalt      = 0xedab447b
	IDMsgsStateReq       = 0xda69fb52
	IDMsgsStateInfo      = 0x04deb57d
	IDMsgsAllInfo        = 0x8cc0d131
	IDMsgDetailedInfo    = 0x276d3ec6
	IDMsgNewDetailedInfo = 0x809db6df
	IDMsgResendReq       = 0x7d861a08
	IDMsgResendAnsReq    = 0x8610baeb

	IDPing                = 0x7abe77ec
	IDPingDelayDisconnect = 0xf3427b8c
	IDPong                = 0x347773c5
	IDHTTPWait            = 0x9299359f
	IDGetFutureSalts      = 0xb921bd04
	IDFutureSalts         = 0xae500895
	IDNewSessionCreated   = 0x9ec20908
	IDDestroySession      = 0xe7512126
	IDDestroySessionOK    = 0xe22045fc
	IDDestroySessionNone  = 0x62d350c9
	IDDestroyAuthKey      = 0xd1435160
	IDDestroyAuthKeyOK    = 0xf660e1d4
	IDDestroyAuthKeyNone  = 0x0a9f2259
	IDDestroyAuthKeyFail  = 0xea109b13
)

// Ids of the API that a session reads itself (https://core.telegram.org/api/invoking).
const (
	IDInvokeWithLayer               = 0xda9b0d0d
	IDInitConnection                = 0xc1cd5ea9
	IDInitConnectionOld             = 0x785188b8 // without params
	IDInvokeAfterMsg                = 0xcb9f372d
	IDInvokeAfterMsgs               = 0x3dc4b4f0
	IDInvokeWithoutUpdates          = 0xbf9459b7
	IDInvokeWithMessagesRange       = 0x365275f2
	IDInvokeWithTakeout             = 0xaca9fd2e
	IDInvokeWithBusinessConnection  = 0xdd289f8e
	IDInvokeWithGooglePlayIntegrity = 0x1df92984
	IDInvokeWithApnsSecret          = 0x0dae54f8
	IDInvokeWithReCaptcha           = 0xadbb0f94

	IDBindTempAuthKey   = 0xcdd42a05
	IDDropTempAuthKeys  = 0x8e48a188
	IDRegisterDevice    = 0xec86017a
	IDRegisterDeviceOld = 0x637ea878

	IDMessageRange     = 0x0ae30253
	IDInputClientProxy = 0x75588b3f
	IDUpdatesTooLong   = 0xe317af7e

	IDJSONNull        = 0x3f6d7b68
	IDJSONBool        = 0xc7345e6a
	IDJSONNumber      = 0x2be0dfa4
	IDJSONString      = 0xb71e767a
	IDJSONArray       = 0xf7444763
	IDJSONObject      = 0x99c1d49d
	IDJSONObjectValue = 0xc0de1bd9
)
