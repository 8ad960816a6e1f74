package sess

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
)

// beforeLogin reads PEERS.md, "Calls allowed before login": who answers a method
// that comes without a login.
func beforeLogin(t *testing.T) map[string]string {
	t.Helper()
	peers, err := os.ReadFile("../../../../../proto/PEERS.md")
	require.NoError(t, err)
	_, text, ok := strings.Cut(string(peers), "\n### Calls allowed before login\n")
	require.True(t, ok)
	text, _, _ = strings.Cut(text, "\n## ")
	out := map[string]string{}
	for _, row := range regexp.MustCompile(`(?m)^\| ([a-z]+\.[^|]+) \| [^|]+ \| ([^|]+) \|$`).FindAllStringSubmatch(text, -1) {
		for _, method := range strings.Split(row[1], ", ") {
			require.NotContains(t, out, method)
			out[method] = row[2]
		}
	}
	require.Greater(t, len(out), 50)
	return out
}

// A client that nobody has logged in yet was logged out by the answer to
// help.getDeepLinkInfo, help.saveAppLog, auth.dropTempAuthKeys and others: what
// clients send before their login is served, and the rest is refused.
func TestCallsBeforeLogin(t *testing.T) {
	x := newWorld(t, false)
	x.state = AuthState{State: StateUnauthorized}
	x.recv(1, x.method("help.getNearestDc"))
	said := beforeLogin(t)
	for method, by := range said {
		versions := x.schema.MethodByName(method)
		require.True(t, len(versions) > 0 || method == "help.test", method) // what the release lacks is 400
		tr := traits[method]
		switch by, purpose, _ := strings.Cut(by, ", for "); {
		case by == "BFF" && purpose == "":
			require.False(t, x.w.needsLogin(method, tr), method)
		case by == "BFF":
			require.NotZero(t, tr&traitLoginCode, method)
			require.True(t, x.w.needsLogin(method, tr), "%s with another purpose", method)
		case by == "BFF, in state 5":
			require.True(t, x.w.needsLogin(method, tr), method)
			require.NotZero(t, tr&traitPassword, method)
		case by == "session":
			require.True(t, versions[0].ID == wire.IDBindTempAuthKey || versions[0].ID == wire.IDDropTempAuthKeys, method)
		case by == "401":
			require.True(t, x.w.needsLogin(method, tr), method)
		default:
			require.Failf(t, "who?", "%s: %s", method, by)
		}
	}
	for method, tr := range traits {
		if tr&(traitNoLogin|traitLoginCode|traitPassword|traitUnbound) != 0 {
			require.NotEmpty(t, said[method], "%s has no row in PEERS.md, \"Calls allowed before login\"", method)
		}
	}
}

// Some methods serve a login or an account, as their purpose says.
func TestPurposesBeforeLogin(t *testing.T) {
	setup := wire.AppendBytes(wire.AppendBytes(tlID(0x4345be73), "1"), "hash") // emailVerifyPurposeLoginSetup
	change := tlID(0x527d22eb)                                                 // emailVerifyPurposeLoginChange
	code := wire.AppendBytes(wire.AppendBytes(tlInt(tlID(0x9bb2636d), 0), "1"), "hash")
	code = tlLong(wire.AppendBytes(code, "EUR"), 1)  // inputStorePaymentAuthCode
	premium := tlInt(tlID(0xa6751e66), 0)            // inputStorePaymentPremiumSubscription
	invoice := append(tlID(0x3e77f614), code...)     // inputInvoicePremiumAuthCode
	slug := wire.AppendBytes(tlID(0xc326caef), "x")  // inputInvoiceSlug
	card := wire.AppendBytes(tlID(0xc10eb2cf), "id") // inputPaymentCredentialsSaved
	for _, c := range []struct {
		method         string
		id             uint32
		before         []byte
		purpose, other []byte
		after          []byte
	}{
		{"account.sendVerifyEmailCode", 0x98e037bb, nil, setup, change, wire.AppendBytes(nil, "a@example.org")},
		{"account.verifyEmail", 0x032da4cf, nil, setup, change, wire.AppendBytes(tlID(0x922e55a9), "code")},
		{"payments.canPurchaseStore", 0x4fdc5ea7, nil, code, premium, nil},
		{"payments.assignAppStoreTransaction", 0x80ed747d, wire.AppendBytes(nil, "receipt"), code, premium, nil},
		{"payments.assignPlayMarketTransaction", 0xdffd50d3, wire.AppendBytes(tlID(0x7d748d04), "{}"), code, premium, nil},
		{"payments.getPaymentForm", 0x37148dbb, tlInt(nil, 0), invoice, slug, nil},
		{"payments.validateRequestedInfo", 0xb6c8f12b, tlInt(nil, 0), invoice, slug, tlInt(tlID(0x909c3f94), 0)},
		{"payments.sendPaymentForm", 0x2d03522f, tlLong(tlInt(nil, 0), 1), invoice, slug, append(card, wire.AppendBytes(nil, "")...)},
	} {
		t.Run(c.method, func(t *testing.T) {
			x := newWorld(t, false)
			x.state = AuthState{State: StateUnauthorized}
			call := func(purpose []byte) wire.Message {
				return x.recv(1, slices.Concat(tlID(c.id), c.before, purpose, c.after))
			}
			call(c.purpose)
			require.Zero(t, x.served(c.method))
			m := call(c.other)
			require.Equal(t, "401 AUTH_KEY_UNREGISTERED", x.rpcError(x.take(), m.ID))
		})
	}
}

// A key that authsession does not have any more is no fault of authsession: the
// client has to make another, and was answered 500 at each attempt to log in.
func TestLoginByAKeyThatIsGone(t *testing.T) {
	x := newWorld(t, false)
	x.state = AuthState{State: StateUnauthorized}
	x.others = false
	m := x.recv(1, x.method("auth.signIn", int32(1), "1", "2", "3"))
	ticket, _ := find(x, func(*SetPasswordPending) bool { return true })
	x.finish(ticket, nil, errUnregistered)
	require.Equal(t, "401 AUTH_KEY_UNREGISTERED", x.rpcError(x.take(), m.ID))
	require.Empty(t, x.faults)
}
