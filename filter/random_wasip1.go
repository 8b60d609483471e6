//go:build wasip1

package main

import (
	"strconv"
	"unsafe"
)

// randomGet is WASI's random_get; crypto/rand, which ends there too, would add
// 170 KB to the module.
//
//go:wasmimport wasi_snapshot_preview1 random_get
//go:noescape
func randomGet(buffer unsafe.Pointer, size uint32) uint32

type randomError uint32

func (e randomError) Error() string {
	return "random_get failed with WASI errno " + strconv.Itoa(int(e))
}

func hostRandom(b []byte) error {
	if errno := randomGet(unsafe.Pointer(unsafe.SliceData(b)), uint32(len(b))); errno != 0 { // #nosec G103 G115 -- 1024 bytes of our own
		return randomError(errno)
	}
	return nil
}
