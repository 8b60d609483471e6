//go:build tinygo

package main

// recovers says whether a panic can be recovered from. In WebAssembly that TinyGo
// compiled it cannot: a deferred call would only have the result allocated for it,
// at each callback.
const recovers = false
