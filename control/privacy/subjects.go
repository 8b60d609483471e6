package privacy

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"gatehouse/authz/event"
	"gatehouse/authz/login"
	"gatehouse/control/privacy/connector"
	"gatehouse/control/store"
)

// Bounds of what says who a person is.
const (
	maxIdentities = 32
	maxIdentity   = 256 // bytes
	maxID         = 128
)

var identityTypes = regexp.MustCompile(`^[a-z][a-z0-9_.-]{0,63}$`)

// Who says which person is meant: by the id here, of a Gatehouse user, or by how
// other systems know them.
type Who struct {
	ID         string
	UserID     string
	Identities []connector.Identity
}

// Person finds the person, or a problem that says there is none.
func (s *Service) Person(ctx context.Context, who Who) (store.Subject, error) {
	return s.resolve(ctx, who, false)
}

// Enter finds the person, or adds them, and adds the identities that are new.
// All identities are one person's, on the word of whoever calls.
func (s *Service) Enter(ctx context.Context, who Who) (store.Subject, error) {
	const attempts = 3 // somebody else may be adding the same person
	for n := 1; ; n++ {
		p, err := s.resolve(ctx, who, true)
		if !errors.Is(err, store.ErrIdentityTaken) || n == attempts {
			return p, told(err)
		}
	}
}

// told makes of the store's answers what callers understand.
func told(err error) error {
	switch {
	case errors.Is(err, store.ErrNoSubject):
		return notFound("no such person is known here")
	case errors.Is(err, store.ErrIdentityTaken):
		return conflict("the identities belong to different people here")
	case errors.Is(err, store.ErrErased):
		return conflict("the person's data was erased")
	case errors.Is(err, store.ErrNoRequest):
		return notFound("there is no such request")
	case errors.Is(err, store.ErrNoBreach):
		return notFound("there is no such breach")
	case errors.Is(err, store.ErrChanged):
		return conflict("somebody else has changed it meanwhile: read it again")
	}
	return err
}

func (s *Service) resolve(ctx context.Context, who Who, enter bool) (store.Subject, error) {
	identities, err := checkIdentities(&who)
	if err != nil {
		return store.Subject{}, err
	}
	found, err := s.findAll(ctx, who, identities, enter)
	switch {
	case err != nil:
		return store.Subject{}, err
	case found.ID != "" && !enter:
		return found, nil
	case found.ID != "":
		return s.fillIn(ctx, found, who, identities)
	case !enter || who.ID != "":
		return store.Subject{}, store.ErrNoSubject
	}
	return s.add(ctx, who.UserID, identities)
}

// checkIdentities normalises, and takes a user's id for what it is.
func checkIdentities(who *Who) ([]connector.Identity, error) {
	if len(who.Identities) > maxIdentities {
		return nil, invalid("more than %d identities", maxIdentities)
	}
	if len(who.ID) > maxID || len(who.UserID) > maxID {
		return nil, invalid("an id has at most %d bytes", maxID)
	}
	var out []connector.Identity
	for _, i := range who.Identities {
		i.Value = strings.TrimSpace(i.Value)
		if !identityTypes.MatchString(i.Type) {
			return nil, invalid("the type of an identity is like email or customer_id: lower case, at most 64 characters")
		}
		if i.Value == "" || len(i.Value) > maxIdentity || !utf8.ValidString(i.Value) || strings.ContainsFunc(i.Value, unicode.IsControl) {
			return nil, invalid("an identity has 1 to %d bytes of text", maxIdentity)
		}
		switch {
		case i.Type == connector.Email:
			i.Value = strings.ToLower(i.Value)
		case i.Type == connector.UserID && who.UserID != "" && who.UserID != i.Value:
			return nil, invalid("the identities name two users")
		case i.Type == connector.UserID:
			who.UserID = i.Value
			continue
		}
		out = append(out, i)
	}
	if who.ID == "" && who.UserID == "" && len(out) == 0 {
		return nil, invalid("say who is meant: the person's id here, or an identity")
	}
	return out, nil
}

// findAll finds the one person whom all that is known belongs to; the zero
// Subject if nobody is known.
func (s *Service) findAll(ctx context.Context, who Who, identities []connector.Identity, enter bool) (found store.Subject, err error) {
	var lookups []func() (store.Subject, error)
	if who.ID != "" {
		lookups = append(lookups, func() (store.Subject, error) { return s.byID(ctx, who.ID, enter) })
	}
	if who.UserID != "" {
		lookups = append(lookups, func() (store.Subject, error) { return s.o.Store.SubjectOfUser(ctx, who.UserID) })
	}
	for _, i := range identities {
		lookups = append(lookups, func() (store.Subject, error) { return s.o.Store.SubjectByIdentity(ctx, i.Type, s.hash(i)) })
	}
	for _, look := range lookups {
		p, err := look()
		switch {
		case errors.Is(err, store.ErrNoSubject):
		case err != nil:
			return store.Subject{}, err
		case found.ID != "" && found.ID != p.ID:
			return store.Subject{}, conflict("the identities belong to different people here")
		default:
			found = p
		}
	}
	return found, nil
}

// byID takes the id here, the pseudonym, or the id of a Gatehouse user; with
// enter, one of whom nothing was recorded yet becomes known here with that.
func (s *Service) byID(ctx context.Context, id string, enter bool) (store.Subject, error) {
	for _, look := range []func(context.Context, string) (store.Subject, error){
		s.o.Store.Subject, s.o.Store.SubjectOfUser, s.o.Store.SubjectByPseudonym,
	} {
		if p, err := look(ctx, id); !errors.Is(err, store.ErrNoSubject) {
			return p, err
		}
	}
	if !enter {
		return store.Subject{}, store.ErrNoSubject
	}
	if _, err := s.o.Store.UserByID(ctx, id); errors.Is(err, login.ErrNoUser) {
		return store.Subject{}, store.ErrNoSubject
	} else if err != nil {
		return store.Subject{}, err
	}
	return s.add(ctx, id, nil)
}

// fillIn adds what is new to a person who is known.
func (s *Service) fillIn(ctx context.Context, p store.Subject, who Who, identities []connector.Identity) (store.Subject, error) {
	if !p.Erased.IsZero() {
		return p, store.ErrErased
	}
	if len(identities) > 0 {
		sealed, err := s.sealIdentities(ctx, p.Pseudonym, identities)
		if err == nil {
			err = s.o.Store.AddIdentities(ctx, p.ID, sealed)
		}
		if err != nil {
			return p, err
		}
	}
	if who.UserID == "" {
		return p, nil
	}
	if p.UserID != who.UserID {
		if err := s.o.Store.LinkUser(ctx, p.ID, who.UserID); err != nil {
			return p, err
		}
		p.UserID = who.UserID
	}
	// Consents from before the link are to be enforced now; also if Redis was away
	// when the link was made.
	return p, s.copyOf(ctx, p.ID)
}

func (s *Service) add(ctx context.Context, userID string, identities []connector.Identity) (store.Subject, error) {
	p := store.Subject{ID: event.NewID(), UserID: userID}
	// A user has one pseudonym in all events, whoever reports them.
	p.Pseudonym = s.o.Pseudonyms.Subject(p.ID)
	if userID != "" {
		p.Pseudonym = s.o.Pseudonyms.Subject(userID)
	}
	sealed, err := s.sealIdentities(ctx, p.Pseudonym, identities)
	if err != nil {
		return p, err
	}
	if err := s.o.Store.AddSubject(ctx, p, sealed); err != nil {
		return p, err
	}
	return p, nil
}

func (s *Service) sealIdentities(ctx context.Context, pseudonym string, identities []connector.Identity) ([]store.SubjectIdentity, error) {
	out := make([]store.SubjectIdentity, len(identities))
	for n, i := range identities {
		text, err := s.o.Sealer.Seal(ctx, pseudonym, map[string]string{"value": i.Value})
		if err != nil {
			return nil, fmt.Errorf("seal a person's %s: %w", i.Type, err)
		}
		out[n] = store.SubjectIdentity{Type: i.Type, Hash: s.hash(i), Sealed: text}
	}
	return out, nil
}

// hash finds an identity without telling it: nobody can try values without the key.
func (s *Service) hash(i connector.Identity) string {
	mac := hmac.New(sha256.New, s.key)
	mac.Write([]byte(i.Type + "\x00" + i.Value))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// known is the person as the connectors need them. Once their key was destroyed
// there is nothing left to know.
func (s *Service) known(ctx context.Context, p store.Subject) (connector.Person, error) {
	out := connector.Person{Subject: p.ID}
	if p.UserID != "" {
		out.Identities = append(out.Identities, connector.Identity{Type: connector.UserID, Value: p.UserID})
	}
	identities, err := s.o.Store.Identities(ctx, p.ID)
	if err != nil {
		return out, err
	}
	for _, i := range identities {
		fields, err := s.o.Sealer.Open(ctx, i.Sealed, p.Pseudonym)
		if s.o.Shredded != nil && errors.Is(err, s.o.Shredded) {
			continue
		}
		if err != nil {
			return out, fmt.Errorf("read a person's %s: %w", i.Type, err)
		}
		out.Identities = append(out.Identities, connector.Identity{Type: i.Type, Value: fields["value"]})
	}
	return out, nil
}
