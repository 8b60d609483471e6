package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"time"

	"gatehouse/authz/event"
	"gatehouse/authz/login"
	"gatehouse/authz/secret"
	"gatehouse/authz/session"
	"gatehouse/control/store"
)

// userRecord tells what commands have done to users: the audit log, by events
// that the store keeps until control takes them there, and the people themselves,
// by mail, where a server for it is set (ASVS 5.0 6.3.7).
type userRecord struct {
	store *store.Store
	names *event.Pseudonymizer // nil: no key is set, and events name nobody
	post  login.Mailer         // nil: nobody gets mail
	log   *slog.Logger
}

func (u *userFlags) newRecord(app *App, s *store.Store, log *serviceLog) (*userRecord, error) {
	r := &userRecord{store: s, log: log.Logger}
	key, err := secret.Load(app.Env, "GATEHOUSE_PSEUDONYM_KEY")
	switch {
	case err == nil:
		if r.names, err = event.NewPseudonymizer(key.Reveal()); err != nil {
			return nil, wrong("%w", err)
		}
	case !errors.Is(err, secret.ErrNotSet):
		return nil, wrong("%w", err)
	}
	r.post, err = u.mail.mailer(&service{app: app, log: log})
	return r, err
}

// change records one, and notifies the user where that is for them to know. The
// change is made already: the error says so.
func (r *userRecord) change(ctx context.Context, user login.User, rule string, detail map[string]string) error {
	e := event.Event{Type: event.UserChanged, Feature: "sign_in", Rule: rule, Reason: "with gatehouse user", Detail: detail}
	if err := r.leave(ctx, user.ID, e); err != nil {
		return err
	}
	r.tell(ctx, user, rule)
	return nil
}

// tell sends mail if it can. As on the pages: the event is the record.
func (r *userRecord) tell(ctx context.Context, user login.User, rule string) {
	subject, text, ok := login.Notice(rule)
	if !ok || r.post == nil || user.Email == "" {
		return
	}
	if err := r.post.Mail(ctx, user.Email, subject, text); err != nil {
		r.log.WarnContext(ctx, "the user was not told by mail", "error", err)
	}
}

// ended records the sessions that a change has ended.
func (r *userRecord) ended(ctx context.Context, all []session.Session) error {
	events := make([]event.Event, 0, len(all))
	for _, s := range all {
		events = append(events, event.Event{
			Type: event.SessionRevoked, Feature: "session", Rule: "ended_by_operator", Reason: "with gatehouse user", Detail: map[string]string{"session": s.ID},
		})
	}
	if len(all) == 0 {
		return nil
	}
	return r.leave(ctx, all[0].User.ID, events...)
}

func (r *userRecord) leave(ctx context.Context, userID string, events ...event.Event) error {
	now := time.Now().UTC()
	for i := range events {
		e := &events[i]
		e.ID, e.Time, e.Source, e.Severity, e.Outcome = event.NewID(), now, "control", event.Info, event.Success
		if e.Detail == nil {
			e.Detail = map[string]string{}
		}
		e.Detail["by_uid"] = strconv.Itoa(os.Getuid()) // who ran the command, as the machine knows them
		if r.names != nil {
			e.Subject = r.names.Subject(userID)
		}
	}
	if err := r.store.Leave(ctx, events...); err != nil {
		return fmt.Errorf("the change is made, but the audit log will not have it: %w", err)
	}
	return nil
}
