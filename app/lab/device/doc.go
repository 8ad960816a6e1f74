// Package device is one client of gotd/td with its own keys, with the acts of
// a person who holds it: log in, find somebody, talk, look at the devices.
//
// A device tells its milestones and what was pushed to it, so that a test can
// wait for them rather than for time to pass.
package device
