package session

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// rightsSeparator stands between the roles of a record, and between its scopes: in none of
// them can it be (flawOf).
const rightsSeparator = "\t"

// pack writes methods, roles and scopes behind a record's fixed places: methods,
// a line break, roles, a line break, scopes. Of most sessions that is only the
// methods.
func pack(methods, roles, scopes []string) string {
	text := strings.Join(methods, " ")
	if len(roles) > 0 || len(scopes) > 0 {
		text += "\n" + strings.Join(roles, rightsSeparator)
	}
	if len(scopes) > 0 {
		text += "\n" + strings.Join(scopes, rightsSeparator)
	}
	return text
}

func unpack(rights string) (methods, roles, scopes []string) {
	first, rest, _ := strings.Cut(rights, "\n")
	second, third, _ := strings.Cut(rest, "\n")
	return strings.Fields(first), texted(second), texted(third)
}

func texted(list string) []string {
	if list == "" {
		return nil
	}
	return strings.Split(list, rightsSeparator)
}

// flawOf says what keeps a list from being stored, or nil.
func flawOf(what string, list []string) error {
	length := 0
	for _, one := range list {
		length += len(one) + 1
		if one == "" || !utf8.ValidString(one) || strings.ContainsFunc(one, unicode.IsControl) {
			return fmt.Errorf("%w: %s %.40q", ErrGrant, what, one)
		}
	}
	if length > MaxRights {
		return fmt.Errorf("%w: its %ss have %d bytes, at most %d", ErrGrant, what, length, MaxRights)
	}
	return nil
}

// Fitting are the roles, or scopes, of list that a session can hold, in their
// order, and how many it cannot: who has fewer rights than they might is refused
// somewhere, and nobody gets more.
func Fitting(list []string) (fit []string, left int) {
	length := 0
	for _, one := range list {
		if flawOf("role", []string{one}) != nil || length+len(one)+1 > MaxRights {
			left++
			continue
		}
		length += len(one) + 1
		fit = append(fit, one)
	}
	return fit, left
}

// SetRoles gives the user's session of that Session.ID other roles where it is,
// for changes that come to light without its holder: they keep their token. The
// error is ErrGrant, has ErrInvalid in its chain if there is no such live session,
// or ErrUnavailable.
func (m *Manager) SetRoles(ctx context.Context, userID, sessionID string, roles []string) (Session, error) {
	if err := flawOf("role", roles); err != nil {
		return Session{}, err
	}
	id, ok := short(sessionID)
	if !ok {
		return Session{}, ErrNone
	}
	floor, err := m.floor(ctx)
	if err != nil {
		return Session{}, err
	}
	handle := Handle(userID)
	answer, err := m.write(ctx, m.setRoles, keyOf(handle), m.now().UnixMilli(), floor, id, strings.Join(roles, rightsSeparator))
	m.tell(ctx, handle)
	if err != nil {
		return Session{}, unavailable("change the roles of a session", err)
	}
	f, err := judged(answer)
	if errors.Is(err, ErrUnavailable) {
		return Session{}, err
	}
	return f.Session, err
}
