package login

import (
	"net/http"

	"gatehouse/authz/event"
	"gatehouse/authz/session"
)

func (h *handler) event(r *http.Request, t event.Type) event.Event {
	return event.Event{
		Type: t, Severity: event.Info, Outcome: event.Success, Feature: "session",
		RequestID: requestID(r), Method: r.Method, Host: r.Host, Path: r.URL.Path,
		Client:   h.Pseudonyms.Client(h.ClientIP(r)),
		Personal: personal(h.ClientIP(r), r.UserAgent()),
	}
}

// personal leaves out what is not known.
func personal(ip, userAgent string) map[string]string {
	fields := map[string]string{}
	if ip != "" {
		fields[event.PersonalIP] = ip
	}
	if agent := device(userAgent); agent != "" {
		fields[event.PersonalUserAgent] = agent
	}
	return fields
}

func (h *handler) reportFailure(r *http.Request, name, rule string, failure *Failure) {
	e := h.event(r, event.AuthenticationAttempt)
	e.Severity, e.Outcome = event.Warning, event.Failure
	e.Rule, e.Reason = rule, string(failure.Reason)
	e.Subject = h.Pseudonyms.Subject(failure.UserID)
	switch normal, ok := NormalizeName(name); {
	case !ok:
	case e.Subject == "":
		// Somebody may have typed their password here: only as a pseudonym.
		e.Subject = h.Pseudonyms.Name(normal)
	default:
		e.Personal[event.PersonalName] = normal // a user's, in the letter case of today
	}
	h.Events.Append(e)
	h.Log.InfoContext(r.Context(), "a sign-in failed", "reason", string(failure.Reason),
		"subject", e.Subject, "client", e.Client, "request_id", e.RequestID)
}

func (h *handler) reportSuccess(r *http.Request, s session.Session, rule string) {
	e := h.event(r, event.AuthenticationAttempt)
	e.Rule, e.Subject = rule, h.Pseudonyms.Subject(s.User.ID)
	e.Personal[event.PersonalName] = s.User.Name
	h.Events.Append(e)
	h.Events.Append(h.sessionEvent(r, event.SessionCreated, s))
}

func (h *handler) reportRevoked(r *http.Request, s session.Session, reason string) {
	e := h.sessionEvent(r, event.SessionRevoked, s)
	e.Reason = reason
	h.Events.Append(e)
}

func (h *handler) sessionEvent(r *http.Request, t event.Type, s session.Session) event.Event {
	e := h.event(r, t)
	e.Subject = h.Pseudonyms.Subject(s.User.ID)
	e.Personal[event.PersonalName] = s.User.Name
	e.Detail = map[string]string{"session": s.ID}
	return e
}

// reportChange tells of another credential: for the log, for alerts, and for
// whoever notifies the person (ASVS 5.0 6.3.7).
func (h *handler) reportChange(r *http.Request, user User, what string) {
	h.reportChangeWith(r, user, what, nil)
}

func (h *handler) reportChangeWith(r *http.Request, user User, what string, detail map[string]string) {
	e := h.event(r, event.UserChanged)
	e.Feature, e.Rule, e.Subject, e.Detail = "sign_in", what, h.Pseudonyms.Subject(user.ID), detail
	e.Personal[event.PersonalName] = user.Name
	h.Events.Append(e)
	h.notify(r, user, what)
}

// notices are what a person is told by mail.
var notices = map[string]string{ //nolint:gochecknoglobals // a constant table
	"password_changed":      "The password of your account was changed.",
	"password_set":          "The password of your account was set by an operator.",
	"email_changed":         "The address to which mail about your account goes was changed by an operator.",
	"email_confirmed":       "The address to which mail about your account goes was changed, on the page of your account.",
	"password_reset":        "The password of your account was set anew, by a link that was sent to this address or handed over by an operator.",
	"totp_added":            "An authenticator app was set up for your account.",
	"totp_removed":          "The authenticator app of your account was switched off.",
	"passkey_added":         "A passkey was added to your account.",
	"passkey_removed":       "A passkey was removed from your account.",
	"recovery_codes_made":   "New recovery codes were made for your account. The old ones are of no use.",
	"recovery_code_used":    "A recovery code was used to sign in to your account.",
	"api_key_added":         "A key for programs was made for your account.",
	"api_key_removed":       "A key for programs was removed from your account.",
	"provider_linked":       "Your account was linked to a provider, with which one can sign in to it from now on.",
	"provider_removed":      "The link of your account to a provider was removed.",
	"all_sessions_ended":    "All devices were signed out of your account.",
	"passkey_clone_refused": "A passkey of your account was refused: its counter went backwards, as that of a copy does.",
}

// Notice is what a person is told of a change of their credentials; what is the
// rule of its event. It is false for what they need not hear.
func Notice(what string) (subject, text string, ok bool) {
	text, ok = notices[what]
	advice := "reset your password and tell those who run the site."
	if what == "email_changed" || what == "email_confirmed" {
		// This may be the former address, where no link of a reset comes any more.
		advice = "tell those who run the site at once: links with which a password is reset go to the new address from now on. " +
			"If you can still sign in, sign out everywhere and change your password, on the page of your account."
	}
	return "A change to your account", text + "\n\nIf that was not you, " + advice + "\n", ok
}
