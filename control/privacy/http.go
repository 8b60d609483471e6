package privacy

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/control/api"
	"gatehouse/control/store"
)

// recent is how long ago a person may have signed in for a request of theirs to
// need no other check of who they are (Art. 12(6)).
const recent = 10 * time.Minute

// Register puts the room's operations on the API.
func Register(a huma.API, s *Service) {
	s.registerConsents(a)
	s.registerRequests(a)
	s.registerDecisions(a)
	s.registerAnswers(a)
	s.registerBreaches(a)
	s.registerRecords(a)
}

// add registers an operation; what it returns as error is told as far as the
// caller may know it.
func add[I, O any](a huma.API, op huma.Operation, fn func(context.Context, *I) (*O, error)) {
	huma.Register(a, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := fn(ctx, in)
		return out, problem(err)
	})
}

// problem is what a caller is told.
func problem(err error) error {
	var known *Error
	switch {
	case err == nil:
		return nil
	case errors.Is(err, store.ErrBadCursor):
		return api.NewProblem(http.StatusBadRequest, "", "cursor is none that a page has given")
	case !errors.As(err, &known):
		return err
	}
	status := map[ErrorKind]int{
		NotFound: http.StatusNotFound, Invalid: http.StatusUnprocessableEntity, Conflict: http.StatusConflict, Denied: http.StatusForbidden,
	}[known.Kind]
	return api.NewProblem(status, "", known.Text)
}

// caller is who calls, for what is recorded: a program by its name, a person by
// role and pseudonym.
func (s *Service) caller(ctx context.Context) string {
	c := api.CallerFrom(ctx)
	if c.IsPerson() {
		return string(c.Role) + " " + s.o.Pseudonyms.Subject(c.SubjectID)
	}
	return string(c.Role) + " " + c.Name
}

// self is the person who calls, if they may see nothing but their own.
func (s *Service) self(ctx context.Context) (who Who, only bool, err error) {
	c := api.CallerFrom(ctx)
	if c.Role != api.Subject {
		return Who{}, false, nil
	}
	if !c.IsPerson() {
		return Who{}, true, refused("a token is no person: sign in")
	}
	return Who{UserID: c.SubjectID}, true, nil
}

// meant is the person whom a call is about: the caller, or whom it names. With
// enter they are added if they are new.
func (s *Service) meant(ctx context.Context, named Who, enter bool) (store.Subject, error) {
	who, only, err := s.self(ctx)
	if err != nil {
		return store.Subject{}, err
	}
	if !only {
		who = named
	} else if named.ID != "" || len(named.Identities) > 0 {
		// Else anybody could say that another's address is theirs.
		return store.Subject{}, refused("you can speak for yourself only: leave subject and identities out")
	}
	if enter {
		return s.Enter(ctx, who)
	}
	p, err := s.Person(ctx, who)
	return p, told(err)
}

// visible is the id of the only person whose data the caller may see, or what
// they ask for; nobody's where they are not known here.
func (s *Service) visible(ctx context.Context, asked string) (subjectID string, known bool, err error) {
	_, only, err := s.self(ctx)
	if err != nil {
		return "", false, err
	}
	if !only && asked == "" {
		return "", true, nil
	}
	if only {
		asked = ""
	}
	p, err := s.meant(ctx, Who{ID: asked}, false)
	var unknown *Error
	if errors.As(err, &unknown) && unknown.Kind == NotFound {
		return "", false, nil
	}
	return p.ID, err == nil, err
}

// theirs is a request that the caller may see; others do not exist for them.
func (s *Service) theirs(ctx context.Context, id string) (Request, error) {
	r, err := s.Request(ctx, id)
	if err != nil {
		return r, err
	}
	who, only, err := s.self(ctx)
	if err != nil || !only {
		return r, err
	}
	p, err := s.Person(ctx, who)
	if err != nil && !errors.Is(err, store.ErrNoSubject) {
		return r, err
	}
	if p.ID == "" || p.ID != r.SubjectID {
		return r, told(store.ErrNoRequest)
	}
	return r, nil
}

// signedIn says whether the caller is a person whose sign-in is recent.
func (s *Service) signedIn(ctx context.Context) bool {
	c := api.CallerFrom(ctx)
	since := s.now().Sub(c.AuthTime)
	return c.IsPerson() && !c.AuthTime.IsZero() && since <= recent && since > -time.Minute
}
