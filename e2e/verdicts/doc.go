// Package verdicts is the filter's table of verdicts, run three ways: as
// net/http middleware, as the Wasm module in a bare WebAssembly runtime, and as
// the same module in a real Envoy. One answer is expected of all three, so that
// what a unit test proves of the rooms holds where it counts.
//
// It promises that a case says everything that it depends on. It does not test
// what only a proxy has (sessions, limits, reloads); package e2e does.
package verdicts
