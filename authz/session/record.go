package session

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"
)

// A record is a session as common.lua describes it: short and of fixed places,
// because there are a million of them.
const (
	fixedLength = 40

	flagEnded    = 1
	flagCrowded  = 2
	flagReplaced = 4
	flagBound    = 8
)

type record struct {
	created, seen, absolute, idle, auth int64 // ms
	born                                int64 // how far revocations had been counted
	generation                          uint32
	flags                               byte
	bound                               binding
	// methods, then roles and scopes if there are any; see pack.
	rights string
}

// encode leaves the generation to the script that stores the record.
func (r record) encode() string {
	b := make([]byte, 0, fixedLength+bindingLength+len(r.rights))
	for _, field := range [...]struct {
		value int64
		bytes int
	}{{r.created, 6}, {r.seen, 6}, {r.absolute, 6}, {r.idle, 5}, {r.auth, 6}, {r.born, 6}} {
		var wide [8]byte
		binary.BigEndian.PutUint64(wide[:], uint64(field.value)) // #nosec G115 -- times after 1970 and spans, never negative
		b = append(b, wide[8-field.bytes:]...)
	}
	b = binary.BigEndian.AppendUint32(b, r.generation)
	b = append(b, r.flags)
	if r.flags&flagBound != 0 {
		b = append(b, r.bound...)
	}
	return string(append(b, r.rights...))
}

var errDamaged = errors.New("a stored session is damaged: end the user's sessions (gatehouse session revoke)")

func decode(text string) (record, error) {
	if len(text) < fixedLength {
		return record{}, fmt.Errorf("%w: %d bytes", errDamaged, len(text))
	}
	var r record
	at := 0
	for _, field := range [...]struct {
		value *int64
		bytes int
	}{{&r.created, 6}, {&r.seen, 6}, {&r.absolute, 6}, {&r.idle, 5}, {&r.auth, 6}, {&r.born, 6}} {
		for range field.bytes {
			*field.value = *field.value<<8 | int64(text[at])
			at++
		}
	}
	for range 4 {
		r.generation = r.generation<<8 | uint32(text[at])
		at++
	}
	r.flags = text[at]
	rest := text[fixedLength:]
	if r.flags&flagReplaced != 0 {
		if len(rest) < shortLength {
			return record{}, errDamaged
		}
		rest = rest[shortLength:]
	}
	if r.flags&flagBound != 0 {
		if len(rest) < bindingLength {
			return record{}, errDamaged
		}
		r.bound, rest = binding(rest[:bindingLength]), rest[bindingLength:]
	}
	r.rights = rest
	return r, nil
}

// found is a session with what decides about it later, in a cache.
type found struct {
	Session
	record record
}

// answerLength is that of a script's answer about one session, verdict aside.
const answerLength = 6

// read makes a session of what a script answers after the verdict: id, record,
// user, name, tenant, device.
func read(fields []string) (found, error) {
	if len(fields) < answerLength || len(fields[0]) < shortLength {
		return found{}, errDamaged
	}
	r, err := decode(fields[1])
	if err != nil {
		return found{}, err
	}
	device, network, _ := strings.Cut(fields[5], "\n")
	methods, roles, scopes := unpack(r.rights)
	return found{record: r, Session: Session{
		ID:       public(fields[0]),
		User:     User{ID: fields[2], Name: fields[3], Tenant: fields[4]},
		Created:  time.UnixMilli(r.created),
		LastSeen: time.UnixMilli(r.seen),
		Expires:  time.UnixMilli(r.absolute),
		Idle:     time.Duration(r.idle) * time.Millisecond,
		AuthTime: time.UnixMilli(r.auth),
		AMR:      methods,
		Roles:    roles,
		Scopes:   scopes,
		Device:   device, Network: network,
		Rotated: r.flags&flagReplaced != 0,
		Bound:   r.bound.kind(),
	}}, nil
}

var verdicts = map[string]error{
	"live":        nil,
	"none":        ErrNone,
	"revoked":     ErrRevoked,
	"crowded":     ErrCrowdedOut,
	"replaced":    ErrReplaced,
	"bound":       ErrBound,
	"idle":        ErrExpiredIdle,
	"absolute":    ErrExpiredAbsolute,
	"demand_idle": ErrDemandIdle,
	"demand_age":  ErrDemandAge,
	"demand_cap":  ErrDemandCap,
}
