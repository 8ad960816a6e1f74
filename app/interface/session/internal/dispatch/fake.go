package dispatch

import (
	"crypto/rand"
	"encoding/hex"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/tgsession/tgsession/app/internal/dhgroup"
	"github.com/tgsession/tgsession/proto/tl"
)

// Some methods have an empty answer that keeps a client usable while nobody
// serves them: no themes, no stickers, no password. They are data: values by
// name, resolved against the schema at start-up.

type (
	// union is an object: predicate and fields of the message.
	union struct {
		message, predicate string
		fields             []field
	}
	field struct {
		name  string
		value any // int, string, []byte, union, or one of the below
	}
	// fromRequest copies a field of the request.
	fromRequest string
	// inOneHour is the time then, Unix seconds.
	inOneHour struct{}
	// randomBytes is that many of them.
	randomBytes int
)

func simple(message, predicate string, fields ...field) union {
	return union{message, predicate, fields}
}

var (
	yes         = simple("Bool", "boolTrue")
	emptyVector = union{} // a Vector_X without elements is no bytes at all
	noPromo     = simple("help_PromoData", "help_promoDataEmpty", field{"expires", inOneHour{}})
	allStickers = simple("messages_AllStickers", "messages_allStickers")
	featured    = simple("messages_FeaturedStickers", "messages_featuredStickers")
	themes      = simple("account_Themes", "account_themes")
)

var fakes = map[string]union{
	"langpack.getDifference": simple("LangPackDifference", "langPackDifference",
		field{"lang_code", fromRequest("lang_code")},
		field{"from_version", fromRequest("from_version")}, field{"version", fromRequest("from_version")}),
	"langpack.getLangPack":  simple("LangPackDifference", "langPackDifference", field{"lang_code", fromRequest("lang_code")}),
	"langpack.getLanguages": emptyVector,
	"langpack.getStrings":   emptyVector,

	"account.getWallPapers":             simple("account_WallPapers", "account_wallPapers"),
	"account.getThemes":                 themes,
	"account.getChatThemes":             themes,
	"account.getAuthorizations":         simple("account_Authorizations", "account_authorizations"),
	"account.getWebAuthorizations":      simple("account_WebAuthorizations", "account_webAuthorizations"),
	"account.reportPeer":                yes,
	"account.reportProfilePhoto":        yes,
	"channels.reportSpam":               yes,
	"messages.reportSpam":               yes,
	"help.acceptTermsOfService":         yes,
	"help.getTermsOfServiceUpdate":      simple("help_TermsOfServiceUpdate", "help_termsOfServiceUpdateEmpty", field{"expires", inOneHour{}}),
	"help.getPromoData":                 noPromo,
	"help.hidePromoData":                yes,
	"phone.getCallConfig":               simple("DataJSON", "dataJSON", field{"data", "{}"}),
	"messages.getAllStickers":           allStickers,
	"messages.getMaskStickers":          allStickers,
	"messages.getEmojiStickers":         allStickers,
	"messages.getArchivedStickers":      simple("messages_ArchivedStickers", "messages_archivedStickers"),
	"messages.getFavedStickers":         simple("messages_FavedStickers", "messages_favedStickers"),
	"messages.getRecentStickers":        simple("messages_RecentStickers", "messages_recentStickers"),
	"messages.getStickers":              simple("messages_Stickers", "messages_stickers"),
	"messages.getOldFeaturedStickers":   featured,
	"messages.getFeaturedStickers":      featured,
	"messages.getFeaturedEmojiStickers": featured,
	"messages.getScheduledMessages":     simple("messages_Messages", "messages_messages"),
	"messages.getAvailableReactions":    simple("messages_AvailableReactions", "messages_availableReactions"),
	"messages.getSavedGifs":             simple("messages_SavedGifs", "messages_savedGifs"),
	"messages.saveGif":                  yes,
	"messages.getEmojiKeywords":         simple("EmojiKeywordsDifference", "emojiKeywordsDifference", field{"lang_code", fromRequest("lang_code")}),
	"messages.getEmojiKeywordsDifference": simple("EmojiKeywordsDifference", "emojiKeywordsDifference",
		field{"lang_code", fromRequest("lang_code")},
		field{"from_version", fromRequest("from_version")}, field{"version", fromRequest("from_version")}),
	"messages.getEmojiKeywordsLanguages": emptyVector,

	// A user without a password, and what a client needs to set one.
	"account.getPassword": simple("account_Password", "account_password",
		field{"new_algo", simple("PasswordKdfAlgo", "passwordKdfAlgoModPow",
			field{"salt1", unhex("ecf8737665bc775a")},
			field{"salt2", unhex("bede48888c0f42ac34ffd1d4935d8b21")},
			field{"g", dhgroup.Generator},
			field{"p", dhgroup.Prime.Bytes()})},
		field{"new_secure_algo", simple("SecurePasswordKdfAlgo", "securePasswordKdfAlgoPBKDF2", field{"salt", unhex("7d04b34b94828c3d")})},
		field{"secure_random", randomBytes(256)}),
}

func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err) // a constant above
	}
	return b
}

// fake builds the empty answer of a method; false when it has none.
func (d *Dispatcher) fake(m *tl.Method, request []byte) ([]byte, bool) {
	u, ok := fakes[m.Name]
	if !ok || m.Reply == nil {
		return nil, false
	}
	if u.message == "" {
		return []byte{}, true
	}
	if u.message != m.Reply.Name() {
		return nil, false // a release in which the method answers otherwise
	}
	return d.appendUnion(nil, u, m, request), true
}

func (d *Dispatcher) appendUnion(dst []byte, u union, m *tl.Method, request []byte) []byte {
	dst = protowire.AppendTag(dst, unionPredicate, protowire.BytesType)
	dst = protowire.AppendString(dst, u.predicate)
	for _, f := range u.fields {
		n, ok := d.schema.FieldNumber(u.message, f.name)
		if !ok {
			continue
		}
		number := protowire.Number(n)
		switch v := f.value.(type) {
		case int:
			dst = protowire.AppendTag(dst, number, protowire.VarintType)
			dst = protowire.AppendVarint(dst, uint64(v))
		case inOneHour:
			dst = protowire.AppendTag(dst, number, protowire.VarintType)
			dst = protowire.AppendVarint(dst, uint64(time.Now().Add(time.Hour).Unix()))
		case string:
			dst = protowire.AppendTag(dst, number, protowire.BytesType)
			dst = protowire.AppendString(dst, v)
		case []byte:
			dst = protowire.AppendTag(dst, number, protowire.BytesType)
			dst = protowire.AppendBytes(dst, v)
		case randomBytes:
			b := make([]byte, v)
			_, _ = rand.Read(b) // never fails
			dst = protowire.AppendTag(dst, number, protowire.BytesType)
			dst = protowire.AppendBytes(dst, b)
		case union:
			dst = protowire.AppendTag(dst, number, protowire.BytesType)
			dst = protowire.AppendBytes(dst, d.appendUnion(nil, v, m, request))
		case fromRequest:
			dst = d.appendFromRequest(dst, number, string(v), m, request)
		}
	}
	return dst
}

func (d *Dispatcher) appendFromRequest(dst []byte, number protowire.Number, name string, m *tl.Method, request []byte) []byte {
	from, ok := d.schema.FieldNumber(m.Request.Name(), name)
	if !ok {
		return dst
	}
	for len(request) > 0 {
		at, kind, n := protowire.ConsumeTag(request)
		if n < 0 {
			return dst
		}
		size := protowire.ConsumeFieldValue(at, kind, request[n:])
		if size < 0 {
			return dst
		}
		if at == protowire.Number(from) {
			dst = protowire.AppendTag(dst, number, kind)
			dst = append(dst, request[n:n+size]...)
		}
		request = request[n+size:]
	}
	return dst
}
