//go:build !nogrpc

package main

// crash is for tests alone.
func crash([][2]string) {}
