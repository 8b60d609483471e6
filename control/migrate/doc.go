// Package migrate says how a configuration of another product is written for this one.
//
// RateLimit reads the environment of envoyproxy/ratelimit. It promises to name every
// variable that it is given: as a flag, as a variable of ours, as something that is not
// needed, or as what cannot be carried over, with the reason; and to say which of those
// change verdicts. It never repeats a secret: those are to be written to files. It does
// not read the limits themselves, which are used as they are, nor connect to anything.
package migrate
