// Package api is the frame of control's HTTP API: who calls, what they may, how
// it is answered and told.
//
// It promises: every operation names the roles that may call it, and one that
// names none can be called by nobody; every error is a problem document (RFC
// 9457) that says nothing about the inside; every call is an event, without its
// body; a POST that is sent again with its Idempotency-Key is done once; and
// nobody, known or not, gets more calls than their share. A cookie counts only
// for a page of this very origin; there is no CORS.
//
// It does not know what the operations do: other rooms register theirs on
// (*Server).API(). It keeps its limits for each replica alone.
package api
