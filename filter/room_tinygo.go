//go:build wasip1 && tinygo

package main

import "runtime"

// heapRoom is what the heap has free from the start on, in bytes. TinyGo collects as
// soon as nothing is free, and grows only where that has found too little: in the
// half a megabyte that the filter lives in it would collect for each twenty uploads.
const heapRoom = 3 << 19

func makeRoom() { runtime.KeepAlive(make([]byte, heapRoom)) }
