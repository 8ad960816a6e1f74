package metrics

// tables are the labels whose computed values are the texts of a variable: what is
// computed, as the code has it, and the variable's import path and name.
var tables = map[string][2]string{
	"session_protocol_events_total{event}": {"c.String()", ours + "app/interface/session/internal/sess.counterNames"},
}

// bounds says of each label whose values the code computes what they can be. An
// entry is for one metric, "metric{label}", or for a label of all metrics of
// go-zero that have it, "prefix_*{label}". A value that a client, a user or a
// request chooses has no bound and no place in a label.
var bounds = map[string]string{
	"authsession_admin_refused_total{reason}":     "the words of package token, of `identity.go` and of package oidclogin, some 25",
	"authsession_admin_requests_total{transport}": "`grpc`, `rest`",
	"authsession_admin_requests_total{method}":    "the methods of `SessionAdmin`; a call of another is refused before it is counted",
	"authsession_admin_requests_total{code}":      "the 13 answers of `failure.go`",
	"authsession_cache_requests_total{kind}":      "`key`, `data`",
	"authsession_cache_requests_total{result}":    "`hit`, `hit-not-found`",
	"authsession_cleanup_runs_total{result}":      "`done`, `limit`, `busy`, `waits`, `stopped`, `error`",
	"authsession_events_published_total{type}":    "the 5 types of event",
	"authsession_new_login_told_total{result}":    "`told`, `failed`, `nobody`",
	"authsession_revocation_told_total{result}":   "`told`, `failed`, `nobody`",
	"authsession_sweep_runs_total{result}":        "`done`, `stopped`",
	"authsession_webhook_dead_total{hook}":        "the names in `Events.Webhooks`",
	"authsession_webhook_delivered_total{hook}":   "the names in `Events.Webhooks`",
	"authsession_webhook_failures_total{hook}":    "the names in `Events.Webhooks`",
	"authsession_webhook_waiting{hook}":           "the names in `Events.Webhooks`",
	"authsession_files_refused{key}":              "`Admin.Tokens`, `Admin.TLS`, `Events.Webhooks.` and the names there",
	"config_reload_refused{server}":               "the service's `Name`",
	"config_reload_total{server}":                 "the service's `Name`",
	"config_restart_keys{server}":                 "the service's `Name`",
	"rpcserver_overload_refused_total{server}":    "the service's `Name`",
	"session_rpc_calls_total{group}":              "the groups of the table set in use, not of the request: at most 100",
	"session_rpc_calls_total{code}":               "`303`, `400`, `401`, `403`, `404`, `406`, `420`, `-503`, `other`, whatever the BFF answers",
	"session_rpc_duration_ms{group}":              "as `session_rpc_calls_total`",
	"session_rpc_unrouted_total{method}":          "the methods of the table set in use; a method that it does not have is not counted here",
	"session_rpc_unrouted_total{answer}":          "`METHOD_NOT_IMPL`",
	"session_shard_strays_total{outcome}":         "`delivered`, `sent on`, `lost`",
	"session_tl_layer_total{what}":                "`clamped`, `substituted`, `dropped`",
	"authsession_warmup_runs_total{result}":       "`done`, `limit` (as many as were wanted), `busy`, `stopped`, `error`",
	"http_server_*{path}":                         "the routes of the admin API, with their placeholders",
	"http_server_*{method}":                       "the methods of those routes",
	"http_server_*{code}":                         "HTTP status codes that the admin API answers",
	"redis_client_*{command}":                     "names of Redis commands that the code calls",
	"redis_client_*{error}":                       "6 words of go-zero",
	"redis_client_*{key}":                         "the Redis that `Redis` names, for `Auth: true`",
	"redis_client_*{client_type}":                 "`node`, `cluster`",
	"rpc_client_*{method}":                        "gRPC methods of peers: those of the table set in use at BFFs, and those that the code calls",
	"rpc_client_*{code}":                          "gRPC status codes that peers of the cluster answer; of a BFF those of Teamgram's errors",
	"rpc_server_*{method}":                        "gRPC methods that the service registers; a call of another does not get here",
	"rpc_server_*{code}":                          "gRPC status codes that the service answers",
	"sql_client_*{command}":                       "names of the calls of go-zero's sqlx, not statements",
	"sql_client_*{error}":                         "words of go-zero",
	"sql_client_*{db_name}":                       "the database of `Mysql.DSN`",
	"sql_client_*{hash}":                          "a hash of `Mysql.DSN`",
}
