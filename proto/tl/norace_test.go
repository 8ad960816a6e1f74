//go:build !race

package tl_test

const raceEnabled = false
