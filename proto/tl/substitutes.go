package tl

// What may stand for an object the client's layer cannot read, or for one the server left out. The three lists are
// reviewed by hand: each entry must be harmless to show. Entries a table set or a layer does not have are passed over.

// lackingInLayer: type -> constructors that take the place of one the client's layer does not have, best first.
// They keep the fields they have in common with it (an id, mostly).
var lackingInLayer = map[string][]string{
	"ChatParticipants":       {"chatParticipantsForbidden"},
	"ChatPhoto":              {"chatPhotoEmpty"},
	"Document":               {"documentEmpty"},
	"EmojiStatus":            {"emojiStatusEmpty"},
	"GeoPoint":               {"geoPointEmpty"},
	"InputStickerSet":        {"inputStickerSetEmpty"},
	"KeyboardButton":         {"keyboardButton"},
	"MessageAction":          {"messageActionEmpty"},
	"MessageEntity":          {"messageEntityUnknown"},
	"MessageMedia":           {"messageMediaUnsupported"},
	"PageBlock":              {"pageBlockUnsupported"},
	"PhoneCallDiscardReason": {"phoneCallDiscardReasonHangup"},
	"Photo":                  {"photoEmpty"},
	"PhotoSize":              {"photoSizeEmpty"},
	"Reaction":               {"reactionEmpty"},
	"RichText":               {"textEmpty"},
	"SendMessageAction":      {"sendMessageTypingAction"},
	"StoryItem":              {"storyItemDeleted"},
	"Updates":                {"updatesTooLong"},
	"UserProfilePhoto":       {"userProfilePhotoEmpty"},
	"UserStatus":             {"userStatusEmpty"},
	"WebPage":                {"webPageEmpty"},
	"auth_CodeType":          {"auth_codeTypeSms"},
	"auth_SentCodeType":      {"auth_sentCodeTypeSms"},
}

// dropFromVector: types of which a vector may lose the elements the client's layer does not have.
var dropFromVector = []string{"AttachMenuPeerType", "DocumentAttribute", "PrivacyRule", "Update"}

// absentObject: type -> the constructor that says "nothing", for a required object that is absent.
var absentObject = map[string]string{
	"Bool":               "boolFalse",
	"ChatPhoto":          "chatPhotoEmpty",
	"Document":           "documentEmpty",
	"GeoPoint":           "geoPointEmpty",
	"InputChannel":       "inputChannelEmpty",
	"InputPeer":          "inputPeerEmpty",
	"InputStickerSet":    "inputStickerSetEmpty",
	"InputUser":          "inputUserEmpty",
	"MessageAction":      "messageActionEmpty",
	"MessageMedia":       "messageMediaEmpty",
	"PeerNotifySettings": "peerNotifySettings",
	"PeerSettings":       "peerSettings",
	"Photo":              "photoEmpty",
	"RichText":           "textEmpty",
	"UserProfilePhoto":   "userProfilePhotoEmpty",
	"UserStatus":         "userStatusEmpty",
	"WebPage":            "webPageEmpty",
}
