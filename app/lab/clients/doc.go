// Package clients walks real clients through what people do with them, against
// a cluster of the lab: they log in, talk, send files, lose their network, live
// through restarts of the services, and log out. What came out is a table of
// steps and clients, with times.
//
// A soak (Config.Soak) uses the same clients for an hour or more, in which
// nothing happens to the cluster but that salts change: then no message may be
// late, no call fail, no connection end.
//
// A client is a program in a folder of its own, with a client.json that says
// how it is made and started (program.Manifest). The runner starts it as a
// child process and speaks with it by lines of JSON on standard input and
// output; its standard error is its log.
//
//	request  {"id":1,"do":"login","args":{…}}
//	answer   {"id":1,"ok":{…}} or {"id":1,"error":{"code":401,"message":"AUTH_KEY_UNREGISTERED"}}
//	event    {"event":"message","from":USER,"text":"…"}
//	         {"event":"connected"}, {"event":"disconnected"}, {"event":"logged_out"}
//	         {"event":"log","line":"…"}
//
// Code 0 in an error means that there was no rpc_error; a message that begins
// with "unsupported: " says what the library lacks, and the cell of the step
// says so. Requests are in flight side by side, answers come in any order. An
// event "message" is told for each message of another user that the library
// hands to its user, as often as it does. At the end of its input a program
// disconnects and exits with code 0.
//
//	start    {"dir","host","port","dc","entry","key","fingerprint","pfs","release","api_id","api_hash","device"} → {"cannot":[…]}
//	         connects, and keeps its auth key in dir: a later process with the same dir is still logged in.
//	         It dials host:port alone, then and later, whatever help.getConfig says: the runner puts a
//	         proxy there, and makes the network bad by it. entry is the host:port of data centre 1,
//	         which sends logins on to dc: a library that cannot be told where to begin begins there.
//	         key is the PEM of the RSA public key (PKCS #1), fingerprint its decimal fingerprint.
//	         cannot (optional) lists what the library lacks: "difference" (it fetches nothing that it
//	         missed), "resend" (a call that the server has lost is never sent again), "notice" (the
//	         next call alone tells that its login has ended), "clock" (it does not follow the
//	         server's clock), "ping" (it says nothing by itself, not even when it has connected again)
//	login    {"phone","code","name","password"} → {"user":ID}   signs up who is new
//	me       {} → {"user":ID}
//	contacts {} → {"users":[{"id","name"}]}
//	dialogs  {} → {"count"}
//	send     {"to":USER,"text"} → {"message":ID}
//	history  {"with":USER,"limit"} → {"texts":[newest first]}
//	calls    {"n","method"} → {"ok","failed","error","max_ms"}   n calls at once of help.getConfig,
//	         help.getCdnConfig or users.getUsers
//	upload   {"bytes","seed"} → {"file":HANDLE,"sha256"}   sends a document to oneself, with bytes that follow from
//	         the seed and do not shrink when they are packed
//	download {"file":HANDLE} → {"sha256"}
//	sessions {} → {"sessions":[{"hash":"decimal","current","device"}]}
//	end      {"hash"} → {}   account.resetAuthorization
//	logout   {} → {}
//	stop     {} → {}   disconnects and exits
//
// A wrong clock is given to a process by the environment: see program.Clock.
package clients
