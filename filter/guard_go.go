//go:build !tinygo

package main

// recovers says whether a panic can be recovered from.
const recovers = true
