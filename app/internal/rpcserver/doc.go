// Package rpcserver gives a zrpc server a life that begins and ends in order.
//
//	New ── Start ──▶ listen ──▶ publish in etcd ──▶ ready
//	       Stop  ──▶ not ready ──▶ unpublish ──▶ Drain hook ──▶ GracefulStop (bounded) ──▶ Stop
//
// go-zero alone publishes an address before anything listens there, its
// RpcServer.Stop closes no more than the log, and its signal handler kills
// the process 5.5 s after SIGTERM. So zrpc gets a configuration without etcd,
// health and DevServer: publishing, health, its pages and signals are done here, on the
// *grpc.Server that zrpc hands to its register callback. zrpc keeps what it is
// good at: the interceptors and the wiring of log, traces and metrics.
//
// Several servers may live in one process. One goroutine of each outlives
// Stop: zrpc's own Start returns only when go-zero's process-wide shutdown
// listeners run, which Run does at the very end.
package rpcserver
