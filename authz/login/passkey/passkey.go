// Package passkey runs the ceremonies of WebAuthn Level 3 for sign-in.
//
// It promises: a challenge of its own for every ceremony, which ends after five
// minutes; answers of the configured origins alone, never from a frame of
// another; user verification where the passkey is all that is asked for; and a
// refusal of one whose counter went backwards, as that of a copy does (section
// 6.1.1). Attestation is not asked for: which make of authenticator somebody has
// is their business.
//
// It keeps nothing: what one step leaves for the next, and the record of a
// passkey, are texts for the caller to keep, the former where the client cannot
// reach it.
package passkey

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"
)

// Life is how long a ceremony may take.
const Life = 5 * time.Minute

// ErrRefused says that the answer of an authenticator proves nothing.
var ErrRefused = errors.New("the passkey's answer is refused")

// ErrCloned says that the passkey was perhaps copied. It has ErrRefused in its
// chain.
var ErrCloned = fmt.Errorf("%w: its counter went backwards", ErrRefused)

// RP is a relying party: the site. It is safe for concurrent use.
type RP struct{ w *webauthn.WebAuthn }

// New returns the relying party of a domain (its RP ID), with the name that
// authenticators show, for pages of these origins.
func New(domain, name string, origins []string) (*RP, error) {
	timeout := webauthn.TimeoutConfig{Enforce: true, Timeout: Life, TimeoutUVD: Life}
	w, err := webauthn.New(&webauthn.Config{
		RPID: domain, RPDisplayName: name, RPOrigins: slices.Clone(origins),
		AttestationPreference: protocol.PreferNoAttestation,
		Timeouts:              webauthn.TimeoutsConfig{Login: timeout, Registration: timeout},
	})
	if err != nil {
		return nil, fmt.Errorf("passkeys for %s: %w", domain, err)
	}
	return &RP{w}, nil
}

// User is whose passkeys they are. Records are as Passkey.Record.
type User struct {
	ID, Name string
	Records  []string
}

// Passkey is one as it is to be kept.
type Passkey struct {
	ID     string // base64url, as credential.id of the browser
	Record string
	// Verified says that the authenticator knew its user: by a PIN, a finger.
	Verified bool
	// Synced says that it may be on several devices.
	Synced bool
}

type user struct {
	User
	credentials []webauthn.Credential
}

func (u user) WebAuthnID() []byte                         { return []byte(u.ID) }
func (u user) WebAuthnName() string                       { return u.Name }
func (u user) WebAuthnDisplayName() string                { return u.Name }
func (u user) WebAuthnCredentials() []webauthn.Credential { return u.credentials }

func read(u User) (user, error) {
	known := user{User: u}
	for _, text := range u.Records {
		var c webauthn.Credential
		if err := json.Unmarshal([]byte(text), &c); err != nil {
			return known, fmt.Errorf("read the record of a passkey: %w", err)
		}
		known.credentials = append(known.credentials, c)
	}
	return known, nil
}

// BeginRegistration returns the options for navigator.credentials.create, and
// the state for FinishRegistration. A passkey that the user has already is not
// made again.
func (p *RP) BeginRegistration(u User) (options json.RawMessage, state string, err error) {
	known, err := read(u)
	if err != nil {
		return nil, "", err
	}
	creation, data, err := p.w.BeginRegistration(known,
		webauthn.WithExclusions(webauthn.Credentials(known.credentials).CredentialDescriptors()),
		webauthn.WithAuthenticatorSelection(protocol.AuthenticatorSelection{
			ResidentKey: protocol.ResidentKeyRequirementPreferred, UserVerification: protocol.VerificationPreferred,
		}))
	return begun(creation, data, err)
}

func begun(options any, data *webauthn.SessionData, err error) (json.RawMessage, string, error) {
	if err != nil {
		return nil, "", fmt.Errorf("begin a ceremony: %w", err)
	}
	text, err1 := json.Marshal(options)
	state, err2 := json.Marshal(data)
	if err := errors.Join(err1, err2); err != nil {
		return nil, "", fmt.Errorf("write a ceremony: %w", err)
	}
	return text, string(state), nil
}

func session(state string) (webauthn.SessionData, error) {
	var data webauthn.SessionData
	if err := json.Unmarshal([]byte(state), &data); err != nil {
		return data, fmt.Errorf("read a ceremony: %w", err)
	}
	return data, nil
}

// FinishRegistration returns the passkey that the browser's answer (JSON) tells
// of. ErrRefused.
func (p *RP) FinishRegistration(u User, state string, answer []byte) (Passkey, error) {
	known, err := read(u)
	if err != nil {
		return Passkey{}, err
	}
	data, err := session(state)
	if err != nil {
		return Passkey{}, err
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(answer)
	if err != nil {
		return Passkey{}, refused(err)
	}
	made, err := p.w.CreateCredential(known, data, parsed)
	if err != nil {
		return Passkey{}, refused(err)
	}
	return passkey(made)
}

// refused keeps what the library says for the log.
func refused(err error) error {
	var detail *protocol.Error
	if errors.As(err, &detail) && detail.DevInfo != "" {
		return fmt.Errorf("%w: %w: %.200s", ErrRefused, err, detail.DevInfo)
	}
	return fmt.Errorf("%w: %w", ErrRefused, err)
}

func passkey(c *webauthn.Credential) (Passkey, error) {
	record, err := json.Marshal(c)
	if err != nil {
		return Passkey{}, fmt.Errorf("write the record of a passkey: %w", err)
	}
	return Passkey{
		ID: base64.RawURLEncoding.EncodeToString(c.ID), Record: string(record),
		Verified: c.Flags.UserVerified, Synced: c.Flags.BackupEligible,
	}, nil
}

// BeginSignIn returns the options for navigator.credentials.get. With a user it
// is their second factor; without one the passkey says who they are, and must
// verify its user.
func (p *RP) BeginSignIn(u *User) (options json.RawMessage, state string, err error) {
	if u == nil {
		assertion, data, err := p.w.BeginDiscoverableLogin(webauthn.WithUserVerification(protocol.VerificationRequired))
		return begun(assertion, data, err)
	}
	known, err := read(*u)
	if err != nil {
		return nil, "", err
	}
	assertion, data, err := p.w.BeginLogin(known, webauthn.WithUserVerification(protocol.VerificationPreferred))
	return begun(assertion, data, err)
}

// FinishSecond checks the answer of a user who is known. The passkey is as it is
// to be kept from now on. ErrRefused.
func (p *RP) FinishSecond(u User, state string, answer []byte) (Passkey, error) {
	known, err := read(u)
	if err != nil {
		return Passkey{}, err
	}
	data, parsed, err := assertion(state, answer)
	if err != nil {
		return Passkey{}, err
	}
	used, err := p.w.ValidateLogin(known, data, parsed)
	return judged(used, parsed, err)
}

// FinishFirst finds out who somebody is: find is asked for the user of an id that
// the passkey names. ErrRefused, or find's own error.
func (p *RP) FinishFirst(state string, answer []byte, find func(userID string) (User, error)) (userID string, used Passkey, err error) {
	data, parsed, err := assertion(state, answer)
	if err != nil {
		return "", Passkey{}, err
	}
	var unknown error // of find, which the library would wrap as a refusal
	_, credential, err := p.w.ValidatePasskeyLogin(func(_, handle []byte) (webauthn.User, error) {
		found, err := find(string(handle))
		if err != nil {
			unknown = err
			return nil, err
		}
		userID = found.ID
		return read(found)
	}, data, parsed)
	if unknown != nil {
		return "", Passkey{}, unknown
	}
	used, err = judged(credential, parsed, err)
	return userID, used, err
}

func assertion(state string, answer []byte) (data webauthn.SessionData, parsed *protocol.ParsedCredentialAssertionData, err error) {
	if data, err = session(state); err != nil {
		return data, nil, err
	}
	parsed, err = protocol.ParseCredentialRequestResponseBytes(answer)
	if err != nil {
		return data, nil, refused(err)
	}
	return data, parsed, nil
}

func judged(used *webauthn.Credential, parsed *protocol.ParsedCredentialAssertionData, err error) (Passkey, error) {
	if err != nil {
		return Passkey{}, refused(err)
	}
	p, err := passkey(used)
	p.Verified = parsed.Response.AuthenticatorData.Flags.UserVerified()
	if err == nil && used.Authenticator.CloneWarning {
		err = ErrCloned
	}
	return p, err
}
