// Command filter is the Wasm plugin: security headers, CORS and upload
// inspection, for any Envoy or Istio, configured by plain JSON (filter/policy).
//
// It promises to fail closed: a configuration with a mistake is refused as a
// whole, and a request that the filter cannot judge gets 503. This package only
// translates between proxy-wasm and filter/pipeline. It speaks the ABI itself:
// a library between would export callbacks that the filter has no use for, and
// allocate for each request.
//
// Build: make bin/gatehouse.wasm, which takes TinyGo where it can be had; or
// GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared ./filter
package main

// main is never called in a c-shared module.
func main() {}
