// Package versus measures what a session node costs in parts of what the floor
// costs (package floor): the same load, from the same callers, between the same
// peers, in turns. Microseconds are different on each machine, and from minute to
// minute on one that others use; the ratio of two processes that were measured
// right after each other repeats.
//
//	rows.go       what is measured, and what is meant to be reached
//	content.go    what answers and pushes hold
//	peers.go      authsession, status, gateway and BFF, in this process
//	device.go     one client, behind its gateway
//	target.go     the process under load, and the gateway and sync that call it
//	start.go      its configuration
//	load.go       the callers
//	run.go        a row: session and floor in turns, pair by pair
//	sample.go     one measurement: CPU time, allocations, latencies
//	idle.go       what keys cost that do nothing
//	profile.go    where session's time goes
//	result.go     the measurements, summed up
//	documented.go ratios that were measured before, for the short form
//	table.go, page.go, chart.go   for people
//
// # The load
//
// A closed loop: each of the callers does one operation after the other, on keys
// of its own in turn. A call is one packet, a container with the acknowledgment of
// the last answer, and ends when its answer is at the gateway. A push is a call of
// sync, and ends when its packet is at the gateway; a device acknowledges 16
// pushes at a time. What is counted is the CPU time of the one process, in user
// mode and in the kernel, from before the first operation to after the last.
//
// The floor gets the same packets and sends as many bytes: request and
// rpc_metadata of the BFF call, and the packet to the gateway, are as long as
// session's were just before. The BFF answers both with the same bytes.
package versus
