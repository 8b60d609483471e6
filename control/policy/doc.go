// Package policy reads gatehouse.yaml, the one file that a user writes, and
// compiles it into what the other rooms read.
//
// It promises that nothing in the file is ignored in silence: an unknown or
// misspelt key, a duplicate, a value of the wrong kind, a reference to nothing
// and an impossible combination are errors, all of them reported at once, each
// with its place, the offending text and what to do. A file that compiles is
// one that the filter and authz accept, because their own compilers judged it
// too. The same meaning always gives the same version.
//
// It does not open the files that gatehouse.yaml names, resolve host names or
// talk to anything: a file can be checked on a machine that runs nothing.
package policy
