// Package bodies sends request bodies through a real Envoy in every way that HTTP
// has, and looks at what the application gets. It promises that each line of the
// filter's assumptions about bodies is a test: how they end, what is held, what a
// refusal leaves at the upstream, and what becomes of a rewritten name. It says
// nothing about what is judged; that is filter/upload's.
package bodies
