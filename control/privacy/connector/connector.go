// Package connector is what every system that holds people's data must be able
// to do, so that their rights (GDPR Art. 15 to 21) are carried out everywhere.
//
// It promises nothing itself: it is the contract between the requests of
// control/privacy and the systems. A connector promises in turn that each of its
// methods may be called again after a crash at any point and ends in the same
// state, that it touches nobody else's data, that an error names the system and
// what to do and never a person, and that it ends soon after its context does.
// It does not retry: whoever calls does.
package connector

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Kind is the right that a person makes use of.
type Kind string

// The rights, with their article of the GDPR.
const (
	Access        Kind = "access"        // Art. 15
	Rectification Kind = "rectification" // Art. 16
	Erasure       Kind = "erasure"       // Art. 17
	Restriction   Kind = "restriction"   // Art. 18
	Portability   Kind = "portability"   // Art. 20
	Objection     Kind = "objection"     // Art. 21
)

// Kinds are all of them, by article.
func Kinds() []Kind {
	return []Kind{Access, Rectification, Erasure, Restriction, Portability, Objection}
}

// Valid says whether k is one of the kinds.
func (k Kind) Valid() bool { return slices.Contains(Kinds(), k) }

// Reads says whether the request only reads: it is answered with an archive.
func (k Kind) Reads() bool { return k == Access || k == Portability }

// Types of identities that Gatehouse itself gives; others are the data map's.
const (
	UserID = "user_id" // of a Gatehouse user
	Email  = "email"
)

// Identity is how a system knows the person.
type Identity struct {
	Type  string `json:"type"`  // "user_id", "email", "customer_id", ...
	Value string `json:"value"` // as that system writes it
}

// Person is who a request is about.
type Person struct {
	Subject    string // stable id here, random
	Identities []Identity
}

// Of returns the values of the person's identities of one type.
func (p Person) Of(identityType string) []string {
	var values []string
	for _, i := range p.Identities {
		if i.Type == identityType {
			values = append(values, i.Value)
		}
	}
	return values
}

// Record is one row or document.
type Record struct {
	System     string         `json:"system"`
	Collection string         `json:"collection"`
	Key        string         `json:"key,omitempty"` // tells it apart within the collection
	Fields     map[string]any `json:"fields"`        // what encoding/json can write
}

// Change is one field that the person has had corrected (Art. 16). A system
// that does not have the collection has nothing to change.
type Change struct {
	Collection string `json:"collection"`
	Field      string `json:"field"`
	Value      any    `json:"value"`
}

// Action is what happens to data.
type Action string

// The actions of a plan.
const (
	Read         Action = "read"
	Update       Action = "update"
	Restrict     Action = "restrict"
	Delete       Action = "delete"
	Null         Action = "null"
	Mask         Action = "mask"
	Pseudonymise Action = "pseudonymise"
	Keep         Action = "keep" // with a Note that says which exception holds (Art. 17(3))
)

// Step is what would happen to one collection.
type Step struct {
	Collection string `json:"collection"`
	Action     Action `json:"action"`
	Count      int64  `json:"count" doc:"Records now; -1 where the system cannot tell."`
	Note       string `json:"note,omitempty"`
}

// Plan is what a request would do in one system, in that order.
type Plan struct {
	System string `json:"system"`
	Steps  []Step `json:"steps"`
}

// Result is what was done. Called again after it was done, a connector may
// count 0.
type Result struct {
	Read    int64  `json:"read,omitempty"` // records handed over
	Deleted int64  `json:"deleted,omitempty"`
	Changed int64  `json:"changed,omitempty"` // nulled, masked, pseudonymised, corrected
	Kept    int64  `json:"kept,omitempty"`
	Note    string `json:"note,omitempty"` // for the record; names no person
}

// Connector carries people's rights out in one system. It is safe for
// concurrent use.
type Connector interface {
	// Name of the system, as the data map has it.
	Name() string
	// Plan looks and changes nothing. An error says that the request could not
	// be carried out as things are.
	Plan(ctx context.Context, p Person, kind Kind) (Plan, error)
	// Collect hands over all that the system has about the person, one record
	// after the other; an error of fn ends it and is returned.
	Collect(ctx context.Context, p Person, fn func(Record) error) error
	// Rectify returns how many values are as wanted now, also those that were
	// before.
	Rectify(ctx context.Context, p Person, changes []Change) (int64, error)
	Erase(ctx context.Context, p Person) (Result, error)
	// Restrict ends the use of the person's data beyond keeping it, or allows it
	// again.
	Restrict(ctx context.Context, p Person, on bool) error
	// Verify reads back after an erasure, by another way than Erase's own where
	// there is one, and counts what should be gone and is not.
	Verify(ctx context.Context, p Person) (remaining int64, err error)
}

// ErrUnsupported says that a system cannot do this at all: a person must, and
// say so.
var ErrUnsupported = errors.New("the system cannot do this")

// PendingError says that a system works on it: ask again, with the same call.
type PendingError struct {
	System string
	After  time.Duration // 0 leaves it to the caller
}

// Error implements error.
func (e *PendingError) Error() string {
	return fmt.Sprintf("%s is still at work on the request", e.System)
}
