package sess

// trait is what the machine knows of a method beyond its types.
type trait uint16

const (
	traitNoLogin   trait = 1 << iota // needs no login
	traitPassword                    // nor when only the password is owed, though else it does
	traitUnbound                     // an unbound temp key may call it (rule PFS-1)
	traitLogin                       // its result may log in
	traitLoginHalf                   // its result logs in when only the password is owed
	traitPending                     // may leave a login that owes the password
	traitLogOut                      // ends the login
	traitUpdates                     // its session takes the updates
	traitSync                        // updates must not overtake its result
	traitFile                        // made on file connections: subscribes to nothing
	traitDevice                      // account.registerDevice
	traitEnds                        // ends every login of the user, its own with them
	traitTTL                         // account.setAuthorizationTTL
	traitDoubt                       // may change the login without saying so in its result
)

// traitsOwing are those of the calls that set or clear the mark of an owed
// password. They run one at a time, so that one does not clear another's.
const traitsOwing = traitPending | traitLoginHalf

// traits by TL name. Which methods need no login follows PEERS.md, "Calls
// allowed before login".
var traits = map[string]trait{
	"account.confirmPasswordEmail":   traitNoLogin,
	"account.resendPasswordEmail":    traitNoLogin,
	"account.cancelPasswordEmail":    traitNoLogin,
	"account.getPassword":            traitNoLogin,
	"account.getPasswordSettings":    traitNoLogin,
	"account.updatePasswordSettings": traitNoLogin,
	"account.declinePasswordReset":   traitNoLogin,
	"account.deleteAccount":          traitPassword | traitEnds,

	"auth.requestPasswordRecovery":     traitNoLogin,
	"auth.recoverPassword":             traitNoLogin | traitLoginHalf | traitDoubt,
	"auth.checkRecoveryPassword":       traitNoLogin,
	"auth.sendCode":                    traitNoLogin | traitLogin | traitPending,
	"auth.resendCode":                  traitNoLogin,
	"auth.signUp":                      traitNoLogin | traitLogin | traitDoubt,
	"auth.signIn":                      traitNoLogin | traitLogin | traitPending | traitDoubt,
	"auth.importLoginToken":            traitNoLogin | traitDoubt,
	"auth.importWebTokenAuthorization": traitNoLogin | traitDoubt,
	"auth.importBotAuthorization":      traitNoLogin | traitDoubt,
	"auth.exportAuthorization":         traitNoLogin,
	"auth.importAuthorization":         traitNoLogin | traitLoginHalf | traitDoubt,
	"auth.cancelCode":                  traitNoLogin,
	"auth.resetLoginEmail":             traitNoLogin,
	"auth.requestFirebaseSms":          traitNoLogin,
	"auth.reportMissingCode":           traitNoLogin,
	"auth.exportLoginToken":            traitNoLogin | traitLogin | traitPending | traitDoubt,
	"auth.acceptLoginToken":            traitDoubt,
	"auth.logOut":                      traitNoLogin | traitLogOut,
	"auth.checkPassword":               traitNoLogin | traitLoginHalf | traitDoubt,
	"auth.initPasskeyLogin":            traitNoLogin,
	"auth.finishPasskeyLogin":          traitNoLogin | traitLogin | traitDoubt,

	"help.getConfig":        traitNoLogin | traitUnbound,
	"help.getNearestDc":     traitNoLogin | traitUnbound,
	"help.getAppUpdate":     traitNoLogin,
	"help.getCdnConfig":     traitNoLogin,
	"help.getAppConfig":     traitNoLogin,
	"help.test":             traitNoLogin,
	"help.getCountriesList": traitNoLogin,

	"langpack.getLangPack":   traitNoLogin,
	"langpack.getStrings":    traitNoLogin,
	"langpack.getDifference": traitNoLogin,
	"langpack.getLanguages":  traitNoLogin,
	"langpack.getLanguage":   traitNoLogin,

	"upload.getWebFile":       traitNoLogin | traitFile,
	"upload.getFile":          traitFile,
	"upload.getCdnFile":       traitFile,
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

// noGzip are the result types that do not shrink (rule GZIP-2).
var noGzip = map[string]bool{"upload.File": true, "upload.WebFile": true, "upload.CdnFile": true}

// needsLogin reports whether a method is refused in the state at hand.
func (w *MainAuthWrapper) needsLogin(name string, t trait) bool {
	return w.state != StateNormal && w.wantsLogin(name, t)
}

// wantsLogin reports whether a call is one for those who are logged in.
func (w *MainAuthWrapper) wantsLogin(name string, t trait) bool {
	if allow, ok := w.cfg.noLogin[name]; ok {
		return !allow
	}
	return t&traitNoLogin == 0 && (t&traitPassword == 0 || w.state != StateNeedPassword)
}
