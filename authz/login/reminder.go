package login

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gatehouse/authz/event"
	"gatehouse/authz/internal/every"
)

// People are reminded of keys that are about to end, with what to do, in time to
// do it (ASVS 5.0 6.4.5): by mail, and on the page of their account. Keys are the
// only credential that ends by itself.

const (
	// EarlyReminder and LateReminder are how long before its end a key's owner is
	// told. A key made for less than that is told of when it is made.
	EarlyReminder = 14 * 24 * time.Hour
	LateReminder  = 3 * 24 * time.Hour

	remindEvery  = time.Hour
	remindWithin = 10 * time.Minute
	remindPage   = 200
	// remindTurn keeps the other replicas from doing the same.
	remindTurn = "gatehouse:login:reminding"
)

// remindOf looks every hour, at one replica, until ctx ends.
func (h *handler) remindOf(ctx context.Context) {
	look := func(ctx context.Context) {
		if err := h.remind(ctx); err != nil && ctx.Err() == nil {
			h.Log.ErrorContext(ctx, "people could not be reminded of keys that end: it is tried again in an hour", "error", err)
		}
	}
	look(ctx)
	every.Turn(ctx, remindEvery, look)
}

// remind tells of all keys that need it, unless another replica has looked within
// the hour.
func (h *handler) remind(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, remindWithin)
	defer cancel()
	mine, err := h.Redis.SetNX(ctx, remindTurn, 1, remindEvery-time.Minute).Result()
	if err != nil {
		return fmt.Errorf("ask whose turn it is: %w", err)
	}
	if !mine {
		return nil
	}
	last, lastID := h.Now(), ""
	until := last.Add(EarlyReminder)
	var errs []error
	for {
		page, err := h.Accounts.Ending(ctx, KindAPIKey, last, until, lastID, remindPage)
		if err != nil {
			return errors.Join(append(errs, fmt.Errorf("find the keys that end: %w", err))...)
		}
		for _, key := range page {
			last, lastID = key.Expires, key.ID
			if err := h.remindOfKey(ctx, key); err != nil {
				errs = append(errs, fmt.Errorf("key %s: %w", key.ID, err))
			}
		}
		if len(page) < remindPage || len(errs) >= remindPage {
			return errors.Join(errs...)
		}
	}
}

// stage names the reminder that a key is due for; empty: none, since its whole
// life is not longer.
func (c Credential) stage(now time.Time) string {
	left, life := c.Expires.Sub(now), c.Expires.Sub(c.Created)
	switch {
	case left <= 0 || left > EarlyReminder:
		return ""
	case left <= LateReminder && life > LateReminder:
		return "late"
	case left > LateReminder && life > EarlyReminder:
		return "early"
	}
	return ""
}

// remindOfKey tells once of each stage. It is noted after the mail was taken: a
// crash in between sends it twice, and never not at all.
func (h *handler) remindOfKey(ctx context.Context, key Credential) error {
	stage := key.stage(h.Now())
	if stage == "" {
		return nil
	}
	note := "gatehouse:login:reminded:" + stage + ":" + key.ID
	if n, err := h.Redis.Exists(ctx, note).Result(); err != nil || n > 0 {
		return err
	}
	user, err := h.Accounts.Account(ctx, key.UserID)
	if errors.Is(err, ErrNoUser) || err == nil && user.Disabled {
		return nil
	}
	if err != nil {
		return err
	}
	if err := h.sendReminder(ctx, user, key); err != nil {
		return err
	}
	return h.Redis.Set(ctx, note, 1, key.Expires.Sub(h.Now())+24*time.Hour).Err()
}

func (h *handler) sendReminder(ctx context.Context, user User, key Credential) error {
	e := event.Event{
		Type: event.UserChanged, Severity: event.Info, Outcome: event.Success, Feature: "sign_in", Rule: "api_key_ends_soon",
		Reason:  "the key ends on " + day(key.Expires) + ": its owner was told by mail",
		Subject: h.Pseudonyms.Subject(user.ID), Detail: map[string]string{"key": key.ID},
		Personal: map[string]string{event.PersonalName: user.Name},
	}
	if h.Mailer == nil || user.Email == "" {
		// Somebody else has to tell them.
		e.Severity, e.Outcome = event.Warning, event.Failure
		e.Reason = "the key ends on " + day(key.Expires) + ", and no mail reaches its owner"
		h.Events.Append(e)
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, mailWithin)
	defer cancel()
	if err := h.Mailer.Mail(ctx, user.Email, "A key of yours ends on "+day(key.Expires), h.renewal(key)); err != nil {
		return fmt.Errorf("send the reminder: %w", err)
	}
	h.Events.Append(e)
	return nil
}

func day(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// renewal says what to do.
func (h *handler) renewal(key Credential) string {
	used := "It was never used."
	if !key.Used.IsZero() {
		used = "It was last used on " + day(key.Used) + "."
	}
	where := "on the page of your account, /auth/account"
	if origin := h.origin(""); origin != "" {
		where = "at " + origin + "/auth/account"
	}
	return "The key for programs that you call \"" + key.Label + "\" ends on " + day(key.Expires) + ". " + used + "\n\n" +
		"So that the program goes on working:\n" +
		"1. Make a new key " + where + ", with the same scopes: " + orNone(key.Data) + ".\n" +
		"2. Give it to the program in place of the old one.\n" +
		"3. Remove the old key there.\n\n" +
		"If the program is no longer needed, do nothing: the key opens nothing from then on.\n"
}

func orNone(text string) string {
	if text == "" {
		return "none"
	}
	return text
}

// keyRow is a key as the account page shows it.
type keyRow struct {
	Credential

	Soon, Over bool // it ends within EarlyReminder; it has ended
}

func (h *handler) keyRowOf(c Credential) keyRow {
	over := c.Expired(h.Now())
	return keyRow{c, !over && !c.Expires.IsZero() && c.Expires.Sub(h.Now()) <= EarlyReminder, over}
}
