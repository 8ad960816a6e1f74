package sess

import "github.com/tgsession/tgsession/proto/tl"

// trait is what the machine knows of a method beyond its types.
type trait uint16

const (
	traitNoLogin   trait = 1 << iota // needs no login
	traitLoginCode                   // needs no login when its purpose is one; see forLogin
	traitPassword                    // needs no login while only the password is owed, otherwise it does
	traitUnbound                     // an unbound temp key may call it (rule PFS-1)
	traitLogin                       // its result may log in
	traitLoginHalf                   // its result logs in when only the password is owed
	traitMarked                      // may log in or leave a login that owes the password: see result.go
	traitLogOut                      // ends the login
	traitUpdates                     // its session takes the updates
	traitSync                        // updates must not overtake its result
	traitFile                        // made on file connections: subscribes to nothing
	traitDevice                      // account.registerDevice
	traitEnds                        // ends the login that makes it, and may still say so
	traitTTL                         // account.setAuthorizationTTL
	traitDoubt                       // may change the login without saying so in its result
)

// traitsBegin are those of the calls that may begin a login or complete one.
const traitsBegin = traitNoLogin | traitMarked | traitDoubt

// traits by TL name. Which methods need no login follows PEERS.md, "Calls
// allowed before login", which says who sends them then.
var traits = map[string]trait{
	"account.confirmPasswordEmail":   traitNoLogin,
	"account.resendPasswordEmail":    traitNoLogin,
	"account.cancelPasswordEmail":    traitNoLogin,
	"account.getPassword":            traitNoLogin,
	"account.getPasswordSettings":    traitNoLogin,
	"account.updatePasswordSettings": traitNoLogin,
	"account.declinePasswordReset":   traitNoLogin,
	"account.deleteAccount":          traitPassword | traitEnds,
	"account.sendVerifyEmailCode":    traitLoginCode,
	"account.verifyEmail":            traitLoginCode | traitMarked | traitLogin | traitDoubt,

	"auth.requestPasswordRecovery":     traitNoLogin,
	"auth.recoverPassword":             traitsBegin | traitLoginHalf,
	"auth.checkRecoveryPassword":       traitNoLogin,
	"auth.sendCode":                    traitNoLogin | traitMarked | traitLogin,
	"auth.resendCode":                  traitNoLogin,
	"auth.signUp":                      traitsBegin | traitLogin,
	"auth.signIn":                      traitsBegin | traitLogin,
	"auth.importLoginToken":            traitsBegin,
	"auth.importWebTokenAuthorization": traitsBegin,
	"auth.importBotAuthorization":      traitsBegin,
	"auth.exportAuthorization":         traitNoLogin,
	"auth.importAuthorization":         traitsBegin | traitLoginHalf,
	"auth.cancelCode":                  traitNoLogin,
	"auth.resetLoginEmail":             traitNoLogin,
	"auth.requestFirebaseSms":          traitNoLogin,
	"auth.reportMissingCode":           traitNoLogin,
	"auth.checkPaidAuth":               traitNoLogin,
	"auth.exportLoginToken":            traitsBegin | traitLogin,
	"auth.acceptLoginToken":            traitDoubt,
	"auth.logOut":                      traitNoLogin | traitLogOut | traitEnds,
	"auth.checkPassword":               traitsBegin | traitLoginHalf,
	"auth.initPasskeyLogin":            traitNoLogin,
	"auth.finishPasskeyLogin":          traitsBegin | traitLogin,
	dropTempAuthKeys:                   traitNoLogin, // session answers it itself

	"help.getConfig":        traitNoLogin | traitUnbound,
	"help.getNearestDc":     traitNoLogin | traitUnbound,
	"help.getAppUpdate":     traitNoLogin,
	"help.getCdnConfig":     traitNoLogin,
	"help.getAppConfig":     traitNoLogin,
	"help.getDeepLinkInfo":  traitNoLogin,
	"help.saveAppLog":       traitNoLogin,
	"help.test":             traitNoLogin,
	"help.getCountriesList": traitNoLogin,

	"langpack.getLangPack":   traitNoLogin,
	"langpack.getStrings":    traitNoLogin,
	"langpack.getDifference": traitNoLogin,
	"langpack.getLanguages":  traitNoLogin,
	"langpack.getLanguage":   traitNoLogin,

	"payments.assignAppStoreTransaction":   traitLoginCode,
	"payments.assignPlayMarketTransaction": traitLoginCode,
	"payments.canPurchaseStore":            traitLoginCode,
	"payments.getPaymentForm":              traitLoginCode,
	"payments.sendPaymentForm":             traitLoginCode,
	"payments.validateRequestedInfo":       traitLoginCode,

	"upload.getWebFile":       traitNoLogin | traitFile,
	"upload.getFile":          traitFile,
	"upload.getCdnFile":       traitNoLogin | traitFile, // its token is its right
	"upload.getCdnFileHashes": traitFile,
	"upload.getFileHashes":    traitFile,
	"upload.reuploadCdnFile":  traitFile,
	"upload.saveFilePart":     traitFile,
	"upload.saveBigFilePart":  traitFile,

	"account.registerDevice":       traitDevice,
	"account.setAuthorizationTTL":  traitTTL,
	"account.updateStatus":         traitUpdates,
	"updates.getState":             traitUpdates | traitSync,
	"updates.getDifference":        traitUpdates | traitSync,
	"updates.getChannelDifference": traitUpdates,
}

const dropTempAuthKeys = "auth.dropTempAuthKeys"

// loginPurposes are the constructors that say of a call that it serves a login,
// by the field that has them: a code by e-mail, and a code that has to be paid
// for.
var loginPurposes = [...]struct{ field, message, predicate string }{
	{"purpose", "EmailVerifyPurpose", "emailVerifyPurposeLoginSetup"},
	{"purpose", "InputStorePaymentPurpose", "inputStorePaymentAuthCode"},
	{"invoice", "InputInvoice", "inputInvoicePremiumAuthCode"},
}

// forLogin reports whether a call with traitLoginCode serves a login. With
// another purpose it changes or pays for an account, which takes a login: before
// one, a BFF could not tell whose.
func (w *MainAuthWrapper) forLogin(m *tl.Method, pb []byte) bool {
	for _, p := range loginPurposes {
		if w.schema.Predicate(p.message, field(w.schema, m.Request.Name(), p.field, pb)) == p.predicate {
			return true
		}
	}
	return false
}

// traitOf is what is known of a call.
func (w *MainAuthWrapper) traitOf(m *tl.Method, pb []byte) trait {
	switch t := traits[m.Name]; {
	case t&traitLoginCode == 0:
		return t
	case w.forLogin(m, pb):
		return t | traitNoLogin
	default:
		return 0
	}
}

// noGzip are the result types that do not shrink (rule GZIP-2).
var noGzip = map[string]bool{"upload.File": true, "upload.WebFile": true, "upload.CdnFile": true}

// needsLogin reports whether a method is refused in the state at hand.
func (w *MainAuthWrapper) needsLogin(name string, t trait) bool {
	return w.login.state != StateNormal && w.wantsLogin(name, t)
}

// wantsLogin reports whether a call is one for those who are logged in.
func (w *MainAuthWrapper) wantsLogin(name string, t trait) bool {
	if allow, ok := w.cfg.noLogin[name]; ok {
		return !allow
	}
	return t&traitNoLogin == 0 && (t&traitPassword == 0 || w.login.state != StateNeedPassword)
}
