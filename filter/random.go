package main

import "fmt"

// randomness reads the host's cryptographic source ahead: one call to the host
// serves many nonces. A VM has one thread, so that it needs no lock.
type randomness struct {
	ahead [1024]byte
	left  int
}

// Fill fills b, of at most 1024 bytes. No byte is given out twice.
func (r *randomness) Fill(b []byte) error {
	if r.left < len(b) {
		if err := hostRandom(r.ahead[:]); err != nil {
			return fmt.Errorf("read the host's random source: %w", err)
		}
		r.left = len(r.ahead)
	}
	given := r.ahead[r.left-len(b) : r.left]
	copy(b, given)
	clear(given)
	r.left -= len(b)
	return nil
}
