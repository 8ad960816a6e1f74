// Package console walks through the session console with a real browser and a real
// client of the cluster of lab run. It has tests alone; make test-console runs them.
package console
