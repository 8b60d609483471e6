// Package opendsr carries people's rights out at a processor that speaks OpenDSR
// (versions 1 and 2) or its elder, OpenGDPR.
//
// It promises that each right of a request is asked for once, however often it is
// called and wherever it crashed; that nothing of an answer or a callback is read
// before its signature was found to be the processor's (section 4.2); that the
// token goes to the processor's own origin alone and no redirect is followed; that
// what comes is bounded; that a processor which is late, refuses or says less than
// it has counted is reported as that; and, where the processor can also be asked
// for access, that an erasure is read back in that way.
//
// Rectification and restriction are not in the standard: they are sent in its
// form to processors of which the data map says that they can. It does not keep
// what it has sent: the processor's own record of a request is asked.
package opendsr
