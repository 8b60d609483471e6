package login

import (
	"context"
	"errors"
	"time"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// NameKey is what the spellings of one name have in common: compatible
// characters are the same (NFKC), and so is letter case. Stores find users by it
// and attempts are counted by it, so that no spelling is a way around.
func NameKey(name string) string {
	return norm.NFKC.String(cases.Fold().String(norm.NFKC.String(name)))
}

// CredentialKind says what a Credential is.
type CredentialKind string

// The kinds.
const (
	KindTOTP     CredentialKind = "totp"     // Data: the sealed secret; Counter: the last step used
	KindRecovery CredentialKind = "recovery" // Lookup: code.HashRecovery
	KindPasskey  CredentialKind = "passkey"  // Lookup: the credential id, base64url; Data: its record
	KindAPIKey   CredentialKind = "api_key"  // Lookup: apikey.Hash; Data: scopes, separated by spaces
	KindReset    CredentialKind = "reset"    // Lookup: code.HashToken
	KindOpenID   CredentialKind = "openid"   // Lookup: ProviderLookup; Label: the provider's name
)

// Credential is what a user can prove who they are with, besides the password.
// Nothing in it opens anything by itself.
type Credential struct {
	ID     string // names it to its owner
	UserID string
	Kind   CredentialKind
	Lookup string // finds it without its owner, unique in its kind; may be empty
	Label  string // what the owner calls it, at most MaxLabel bytes
	Data   string
	// Counter only grows: a step, a signature counter.
	Counter int64
	// Active is false while an enrolment is not confirmed.
	Active  bool
	Created time.Time
	Used    time.Time // zero: never
	Expires time.Time // zero: never
}

// Expired says whether its time is over.
func (c Credential) Expired(now time.Time) bool { return !c.Expires.IsZero() && !now.Before(c.Expires) }

const (
	// MaxLabel bounds a label in bytes.
	MaxLabel = 64
	// MaxCredentials bounds how many of a kind one user may have.
	MaxCredentials = 50
)

// ErrNoCredential says that there is none like that.
var ErrNoCredential = errors.New("no such credential")

// ErrTooMany says that a user has MaxCredentials of a kind.
var ErrTooMany = errors.New("too many credentials")

// ErrNameTaken says that a user of that name exists.
var ErrNameTaken = errors.New("there is a user of that name already")

// Accounts keeps users and their credentials. Every error that is not one of the
// named ones means that it cannot be known now.
type Accounts interface {
	UserStore
	Addresses
	// Account finds a user by id. ErrNoUser.
	Account(ctx context.Context, userID string) (User, error)
	// AddAccount adds a user who signed up. ErrNameTaken.
	AddAccount(ctx context.Context, name, passwordHash string) (User, error)
	// AddLinkedAccount adds a user without a password, of whom a provider speaks by
	// c, or nothing. ErrNameTaken.
	AddLinkedAccount(ctx context.Context, name string, c Credential) (User, error)
	// ReplacePasswordHash sets a new hash in place of the old one, and says whether
	// the old one was still there: who changes a password wins over who rehashes it.
	ReplacePasswordHash(ctx context.Context, userID, old, hash string) (bool, error)

	// Credentials lists all of a user, oldest first, resets left out.
	Credentials(ctx context.Context, userID string) ([]Credential, error)
	// Ending lists active ones of a kind that end after one time and not after
	// another, the first to end first, at most limit. For a further page, after and
	// afterID are the end and the id of the last one; else afterID is empty.
	Ending(ctx context.Context, kind CredentialKind, after, until time.Time, afterID string, limit int) ([]Credential, error)
	// AddCredentials adds all or none. Created is set by it.
	AddCredentials(ctx context.Context, added ...Credential) error
	// ReplaceCredentials adds all, of one kind, in place of those of the kind that
	// the user has, or changes nothing: of two at once one user has one's alone.
	ReplaceCredentials(ctx context.Context, userID string, kind CredentialKind, added ...Credential) error
	// Credential finds one by its Lookup. ErrNoCredential.
	Credential(ctx context.Context, kind CredentialKind, lookup string) (Credential, error)
	// UseCredential notes a use, activates it, and sets Counter, and Data unless
	// that is empty. It says whether Counter was below the new one, else nothing
	// is changed: of two uses of one step only one succeeds.
	UseCredential(ctx context.Context, id string, counter int64, data string) (bool, error)
	// TouchCredential notes a use, in the resolution of a minute.
	TouchCredential(ctx context.Context, id string) error
	// SpendCredential removes one that is good once, and returns it: of two who
	// spend it only one gets it. ErrNoCredential.
	SpendCredential(ctx context.Context, kind CredentialKind, lookup string) (Credential, error)
	// RemoveCredentials removes those of a kind, or the one of an id, and says how
	// many there were.
	RemoveCredentials(ctx context.Context, userID string, kind CredentialKind, id string) (int64, error)
}
