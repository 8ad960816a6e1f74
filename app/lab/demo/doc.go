// Package demo is the scenario that proves a cluster works: three devices of
// two people, each a telegram.Client of gotd/td with perfect forward secrecy,
// exchange keys, log in, talk, survive restarts of both services, and lose a
// login that was revoked.
//
// It knows the cluster by its address and public key alone, so that it runs
// against embedded parts and real ones alike.
package demo
