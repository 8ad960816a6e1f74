// Package keyex is the server's side of the MTProto key exchange, for
// permanent, temporary and media temporary keys.
//
//	client                          server
//	req_pq_multi            ──▶
//	                        ◀──    resPQ: p·q, our RSA key's fingerprint
//	req_DH_params           ──▶             RSA_PAD of p_q_inner_data_(temp_)dc, or an older form
//	                        ◀──    server_DH_params_ok: g, p, g^a
//	set_client_DH_params    ──▶             g^b
//	                        ◀──    dh_gen_ok | dh_gen_retry | dh_gen_fail
//
// An Exchange knows no connection: it takes the body of a plain message and
// returns the body of the answer. Whatever is wrong with a query kills its run
// and is answered by a transport error (KEY-13).
//
// Source: https://core.telegram.org/mtproto/auth_key
package keyex
