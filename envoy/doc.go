// Package envoy holds the Envoy configurations that people copy, and the tests
// that keep them right. It has no code.
package envoy
