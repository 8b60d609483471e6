package api

import (
	"context"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// Role is what a caller is; a caller has one.
type Role string

// The roles. Admin may all that any other role may.
const (
	Subject  Role = "subject"  // a person, about themselves only
	Operator Role = "operator" // runs the service
	DPO      Role = "dpo"      // data-protection officer (GDPR Art. 37)
	Auditor  Role = "auditor"  // reads, changes nothing
	Admin    Role = "admin"
)

// AllRoles are all of them, the one that may most first.
func AllRoles() []Role { return []Role{Admin, DPO, Operator, Auditor, Subject} }

// Valid says whether r is one of the roles.
func (r Role) Valid() bool { return slices.Contains(AllRoles(), r) }

// highest is the first of AllRoles among names; empty if there is none.
func highest(names []string) Role {
	for _, r := range AllRoles() {
		if slices.Contains(names, string(r)) {
			return r
		}
	}
	return ""
}

// Caller is who makes a call. The zero value is nobody.
type Caller struct {
	// Name is the token's name, or the person's name as they know it. It may
	// name a person: it belongs into no event and no log.
	Name string
	Role Role
	// SubjectID is the user's stable id, "oidc:" and the subject of another
	// provider, or empty for a token: a token is no person.
	SubjectID string
	// AuthTime is when the person proved who they are; zero for a token.
	AuthTime time.Time
	// Session is the Session.ID of a Gatehouse session; empty otherwise.
	Session string

	method string // token, oidc, session or console
}

// IsPerson says whether a person calls, not a program.
func (c Caller) IsPerson() bool { return c.SubjectID != "" }

type callerKey struct{}

// CallerFrom returns who makes the call of ctx.
func CallerFrom(ctx context.Context) Caller {
	c, _ := ctx.Value(callerKey{}).(Caller)
	return c
}

// WithCaller is for tests of handlers: ctx as if c made the call.
func WithCaller(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// Keys of huma.Operation.Metadata.
const (
	metaRoles  = "gatehouse.roles"
	metaPublic = "gatehouse.public"
	metaLong   = "gatehouse.long"
)

// Security schemes of the OpenAPI document.
const (
	schemeBearer = "bearer"
	schemeCookie = "session"
)

// Roles says who may call op: callers of these roles, and Admin.
func Roles(op huma.Operation, roles ...Role) huma.Operation {
	if !slices.Contains(roles, Admin) {
		roles = append([]Role{Admin}, roles...)
	}
	setMeta(&op, metaRoles, roles)
	op.Security = []map[string][]string{{schemeBearer: {}}, {schemeCookie: {}}}
	op.Extensions = withExtension(op.Extensions, "x-roles", roles)
	return op
}

// Public says that op is for everybody, known or not.
func Public(op huma.Operation) huma.Operation {
	setMeta(&op, metaPublic, true)
	op.Security = []map[string][]string{}
	return op
}

// Long says that op may take as long as the caller waits: a stream, or a large
// download. Its answer is never kept for an Idempotency-Key.
func Long(op huma.Operation) huma.Operation {
	setMeta(&op, metaLong, true)
	return op
}

func setMeta(op *huma.Operation, key string, value any) {
	meta := map[string]any{key: value}
	for k, v := range op.Metadata {
		if k != key {
			meta[k] = v
		}
	}
	op.Metadata = meta
}

func withExtension(of map[string]any, key string, value any) map[string]any {
	out := map[string]any{key: value}
	for k, v := range of {
		if k != key {
			out[k] = v
		}
	}
	return out
}

func flag(op *huma.Operation, key string) bool {
	set, _ := op.Metadata[key].(bool)
	return set
}

// may says whether a caller of role may call op. An operation without roles is
// a mistake of its author and open to nobody.
func may(op *huma.Operation, role Role) bool {
	roles, _ := op.Metadata[metaRoles].([]Role)
	return role.Valid() && slices.Contains(roles, role)
}
