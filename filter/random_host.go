//go:build !wasip1

package main

import "crypto/rand"

// hostRandom is for tests and analysers, which build this package for the host.
func hostRandom(b []byte) error {
	_, err := rand.Read(b)
	return err
}
