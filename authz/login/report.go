package login

import (
	"net/http"

	"gatehouse/authz/event"
	"gatehouse/authz/session"
)

func (h handler) event(r *http.Request, t event.Type) event.Event {
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

func (h handler) reportFailure(r *http.Request, name string, failure *Failure) {
	e := h.event(r, event.AuthenticationAttempt)
	e.Severity, e.Outcome = event.Warning, event.Failure
	e.Rule, e.Reason = "password", string(failure.Reason)
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

func (h handler) reportSuccess(r *http.Request, s session.Session) {
	e := h.event(r, event.AuthenticationAttempt)
	e.Rule, e.Subject = "password", h.Pseudonyms.Subject(s.User.ID)
	e.Personal[event.PersonalName] = s.User.Name
	h.Events.Append(e)
	h.Events.Append(h.sessionEvent(r, event.SessionCreated, s))
}

func (h handler) reportRevoked(r *http.Request, s session.Session, reason string) {
	e := h.sessionEvent(r, event.SessionRevoked, s)
	e.Reason = reason
	h.Events.Append(e)
}

func (h handler) sessionEvent(r *http.Request, t event.Type, s session.Session) event.Event {
	e := h.event(r, t)
	e.Subject = h.Pseudonyms.Subject(s.User.ID)
	e.Personal[event.PersonalName] = s.User.Name
	e.Detail = map[string]string{"session": s.ID}
	return e
}
