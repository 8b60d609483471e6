package login

import (
	"context"
	"errors"
	"net/http"
	"time"

	"gatehouse/authz/login/code"
	"gatehouse/authz/session"
)

// People are told by mail of attempts to sign in to their account that may not be
// theirs (ASVS 5.0 6.3.5), whether they succeeded or not. The sign-in never waits
// for the mail, and is the same without it: time would tell who has an account.

const (
	// maxPosting bounds how many of these notices are being sent at once; what is
	// beyond is left out, and said in the log.
	maxPosting = 16
	// manyFailed is how many failures before a success are worth a word.
	manyFailed = 5
	// deviceAgain is for how long a device that keeps no cookies is not told of again.
	deviceAgain = 30 * 24 * time.Hour
)

// suspicion is one thing that a person should hear of.
type suspicion struct {
	what string // a key of suspicions
	of   string // what it is about, together with what: the same is told once
	// again is how long the same is not told again.
	again time.Duration
}

// suspicions are what a person is told by mail.
var suspicions = map[string]string{ //nolint:gochecknoglobals // a constant table
	"new_device":           "Your account was signed in to from a device that it was not signed in from before.",
	"second_factor_failed": "Somebody gave the right first factor of your account and a wrong second one.",
	"many_failures":        "The right password of your account was given after several wrong ones.",
	"sign_in_guessed":      "There were so many failed attempts to sign in to your account that further ones have to wait.",
}

func (h *handler) suspectUser(r *http.Request, user User, s suspicion) {
	h.suspect(r, s, func(context.Context) (User, error) { return user, nil })
}

// suspectDevice tells of a browser without this account's device cookie. One
// that keeps no cookies is told by its name and network, and seldom.
func (h *handler) suspectDevice(r *http.Request, user User) {
	of := user.ID + "\n" + device(r.UserAgent()) + "\n" + session.Network(h.ClientIP(r))
	h.suspectUser(r, user, suspicion{what: "new_device", of: of, again: deviceAgain})
}

func (h *handler) suspectMany(r *http.Request, user User, failed int) {
	if failed >= manyFailed {
		h.suspectUser(r, user, suspicion{what: "many_failures", of: user.ID, again: time.Hour})
	}
}

// suspect tells the user whom find finds, beside the request. Whoever has no mail
// address hears nothing; the event of the attempt is the record.
func (h *handler) suspect(r *http.Request, s suspicion, find func(context.Context) (User, error)) {
	if h.Mailer == nil || h.Accounts == nil {
		return
	}
	select {
	case h.posting <- struct{}{}:
	default:
		h.Log.WarnContext(r.Context(), "a notice was not sent: too many are under way", "notice", s.what, "request_id", requestID(r))
		return
	}
	text := suspicions[s.what] + "\n\n" + h.circumstances(r) +
		"\n\nIf that was not you, change your password and sign out everywhere, on the page of your account.\n"
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), mailWithin)
	request := requestID(r)
	// The goroutine ends within mailWithin, whatever the mail server does.
	go func() {
		defer cancel()
		defer func() { <-h.posting }()
		if err := h.tell(ctx, s, text, find); err != nil {
			h.Log.WarnContext(ctx, "a notice was not sent", "notice", s.what, "error", err, "request_id", request)
		}
	}()
}

func orUnknown(text string) string {
	if text == "" {
		return "unknown"
	}
	return text
}

// tell sends one mail for what is the same within s.again. Redis holds a hash of
// what it was about; a mail that was not taken is not told.
func (h *handler) tell(ctx context.Context, s suspicion, text string, find func(context.Context) (User, error)) error {
	key := "gatehouse:login:told:" + s.what + ":" + code.HashToken(s.of)
	first, err := h.Redis.SetNX(ctx, key, 1, s.again).Result()
	if err != nil || !first {
		return err
	}
	user, err := find(ctx)
	switch {
	case errors.Is(err, ErrNoUser), err == nil && (user.Disabled || user.Email == ""):
		return nil
	case err == nil:
		err = h.Mailer.Mail(ctx, user.Email, "Your account: a sign-in that you should know of", text)
	}
	if err != nil {
		err = errors.Join(err, h.Redis.Del(ctx, key).Err())
	}
	return err
}
