package cli

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
)

// postbox is a Mailer that keeps to whom it was given something.
type postbox struct {
	to   []string
	away error
}

func (p *postbox) Mail(_ context.Context, to, _, _ string) error {
	p.to = append(p.to, to)
	return p.away
}

func TestAPersonHearsOfWhatAnOperatorChanges(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	p.run("", ExitDone, "add", "anna", "--generate")
	s, post := p.store(), &postbox{}
	u := &userFlags{record: &userRecord{store: s, post: post, log: slog.New(slog.DiscardHandler)}}
	address := func(to string) {
		t.Helper()
		before, err := s.UserByName(t.Context(), "anna")
		if err == nil {
			err = u.setEmail(t.Context(), s, before, to)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	address("old@example.com")
	if len(post.to) != 0 {
		t.Errorf("the first address is told of: %q", post.to)
	}
	address("new@example.com")
	if !slices.Equal(post.to, []string{"old@example.com", "new@example.com"}) {
		t.Errorf("told: %q", post.to)
	}
	post.to, post.away = nil, errors.New("the mail server is away")
	for _, rule := range []string{"password_set", "provider_linked", "roles_changed", "user_enabled"} {
		if err := u.changed(t.Context(), s, "anna", rule, nil); err != nil {
			t.Errorf("%s: %v", rule, err)
		}
	}
	if !slices.Equal(post.to, []string{"new@example.com", "new@example.com"}) {
		t.Errorf("told: %q", post.to)
	}
	if rules := rulesOf(p.told()); len(rules) != 7 {
		t.Errorf("%q", rules)
	}
}
