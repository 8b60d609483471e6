// Package up runs a whole pack on one machine: Redis, authz, control, a demo
// application and Envoy, each as a child process of its own.
//
// It promises that nothing starts before everything that can be checked has
// been checked (ports, tools, the policy file), that a pack is announced only
// when a request passes through all of it, that a child which dies is started
// again or, when it keeps dying, ends the pack with the reason, and that
// nothing is left running or half-written when it ends, not even after SIGKILL.
//
// It is for trying Gatehouse and for developing behind it. It does not
// replicate anything, listens on the loopback interface only, and its
// certificate is known to nobody else; for production there are the files in
// deploy/ and the serve commands.
package up
