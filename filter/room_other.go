//go:build wasip1 && !tinygo

package main

// makeRoom has nothing to do for Go's own runtime.
func makeRoom() {}
