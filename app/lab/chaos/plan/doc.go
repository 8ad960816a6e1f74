// Package plan says which faults a run of chaos makes, in which order and for
// how long. It knows nothing of processes: the same seed makes the same plan on
// every machine that can make the same faults.
//
// First each fault comes once, in the order of All; then faults are drawn at
// random, with times of their own.
package plan
