package main

import (
	"fmt"

	"gatehouse/e2e/pack"
	"gatehouse/e2e/uploadpaths"
)

// uploadsFlatWithin is what Envoy may grow by, in MiB, between a quarter of the
// uploads and their end.
const uploadsFlatWithin = 12

// soakUploads sends uploads of all kinds and sizes, and fails unless every verdict
// was the right one, no stream is left, and memory stayed flat.
func soakUploads(t pack.TB, uploads int) {
	r := uploadpaths.Run(t, uploads)
	grown := (r.Late.Resident - r.Early.Resident) >> 20
	fmt.Printf("%d uploads: %d accepted, %d refused, %d broken off by the client; nothing refused was complete at the upstream, no stream is left\n",
		r.Uploads, r.Accepted, r.Refused, r.Aborted)
	fmt.Printf("Envoy after %d: %d MiB; at the end: %d MiB (%+d)\n", uploads/4, r.Early.Resident>>20, r.Late.Resident>>20, grown)
	if grown > uploadsFlatWithin {
		t.Errorf("more than the %d MiB promised", uploadsFlatWithin)
	}
}
