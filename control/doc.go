// Package control is the management plane put together: it gives the policy of
// gatehouse.yaml to Envoy over xDS and to authz over Redis, follows the file
// while it is edited, and takes the events into the audit log.
//
// Run promises that nothing on a request's path waits for it: Envoy and authz
// go on with what they were given while control is away. A file that is wrong
// at the start ends Run with every mistake; one that becomes wrong later changes
// nothing, and is told in the log, in /readyz and as an event. A policy reaches
// the filter and authz before any route refers to it, and one that an Envoy
// refuses is taken back everywhere.
//
// It has no users and decides about no request. Its HTTP side answers only
// whether it is well.
package control
