package login

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"gatehouse/authz/login/openid"
	"gatehouse/authz/session"
	"gatehouse/filter/verdict"
)

type listed struct {
	ID         string    `json:"id"`
	Current    bool      `json:"current"`
	CreatedAt  time.Time `json:"created_at"`
	LastSeenAt time.Time `json:"last_seen_at"`
	ExpiresAt  time.Time `json:"expires_at"`
	Device     string    `json:"device,omitempty"`
	Network    string    `json:"network,omitempty"`
}

// sessions lists the person's own sessions, without anything that opens one.
func (h *handler) sessions(w http.ResponseWriter, r *http.Request) {
	current, ok := h.identify(w, r)
	if !ok {
		return
	}
	all, err := h.Sessions.List(r.Context(), current.User.ID)
	if err != nil {
		h.unavailable(w, r, credentials{}, err)
		return
	}
	list := make([]listed, len(all))
	for i, s := range all {
		list[i] = listed{
			ID: s.ID, Current: s.ID == current.ID, Device: s.Device, Network: s.Network,
			CreatedAt: s.Created.UTC(), LastSeenAt: s.LastSeen.UTC(), ExpiresAt: s.ExpiresAt().UTC(),
		}
	}
	writeJSON(w, struct {
		User     string   `json:"user"`
		Sessions []listed `json:"sessions"`
	}{current.User.Name, list})
}

func (h *handler) endSession(w http.ResponseWriter, r *http.Request) {
	if foreign(r) {
		writeProblem(w, r, verdict.Forbidden)
		return
	}
	current, ok := h.identify(w, r)
	if !ok || r.PathValue("id") != current.ID && !h.lately(w, r, current) {
		return
	}
	s, err := h.Sessions.RevokeID(r.Context(), current.User.ID, r.PathValue("id"))
	switch {
	case errors.Is(err, session.ErrInvalid):
		writePlainProblem(w, r, http.StatusNotFound)
		return
	case err != nil:
		h.unavailable(w, r, credentials{}, err)
		return
	}
	h.reportRevoked(r, s, "ended from the list of sessions")
	if s.ID == current.ID {
		http.SetCookie(w, cookie(""))
	}
	noStore(w)
	w.WriteHeader(http.StatusNoContent)
}

// endOtherSessions is DELETE /auth/sessions: whoever asks stays signed in.
func (h *handler) endOtherSessions(w http.ResponseWriter, r *http.Request) {
	if foreign(r) {
		writeProblem(w, r, verdict.Forbidden)
		return
	}
	current, ok := h.identify(w, r)
	if !ok || !h.lately(w, r, current) {
		return
	}
	ended, err := h.Sessions.RevokeOthers(r.Context(), tokenOf(r))
	switch {
	case errors.Is(err, session.ErrInvalid):
		writeProblem(w, r, verdict.AuthenticationFailed)
		return
	case err != nil:
		h.unavailable(w, r, credentials{}, err)
		return
	}
	for _, s := range ended {
		h.reportRevoked(r, s, "signed out everywhere else")
	}
	writeJSON(w, struct {
		Ended int `json:"ended"`
	}{len(ended)})
}

// lately says whether the session's person has proved who they are a short while
// ago, with one factor at least, or answers what is missing (RFC 9470 section 3).
// Whoever ends other sessions and stays has to (ASVS 5.0 7.5.2): a thief with a
// stolen session must not be able to put its owner out. One's own, and all at
// once with it, end without: who fears for their account is not kept waiting.
func (h *handler) lately(w http.ResponseWriter, r *http.Request, s session.Session) bool {
	if h.Now().Sub(s.AuthTime) <= recently {
		return true
	}
	writeMissing(w, r, openid.RecentSignIn)
	return false
}

// writeMissing tells a script what its session lacks, as Check does (RFC 9470
// section 3).
func writeMissing(w http.ResponseWriter, r *http.Request, what string) {
	challenge := map[string]string{
		openid.RecentSignIn: `max_age="` + strconv.Itoa(int(recently/time.Second)) + `"`,
		openid.SecondFactor: `acr_values="mfa"`,
	}[what]
	if challenge == "" {
		writeProblem(w, r, verdict.AuthenticationFailed)
		return
	}
	w.Header().Set("WWW-Authenticate", `Bearer realm="gatehouse", error="insufficient_user_authentication", `+challenge)
	p := verdict.StepUpRequired
	writeDocument(w, p.Status(), verdict.ContentType, p.DocumentWith(requestID(r), "missing", what))
}

// identify finds the session of the request, or answers.
func (h *handler) identify(w http.ResponseWriter, r *http.Request) (session.Session, bool) {
	s, err := h.Sessions.Lookup(r.Context(), tokenOf(r), demandOf(r))
	switch {
	case err == nil:
		return s, true
	case errors.Is(err, session.ErrInvalid):
		writeProblem(w, r, verdict.AuthenticationFailed)
	default:
		h.unavailable(w, r, credentials{}, err)
	}
	return session.Session{}, false
}

// device is the part of the user agent that is kept to tell a person's sessions
// apart: printable ASCII, cut.
func device(userAgent string) string {
	clean := strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' {
			return -1
		}
		return c
	}, userAgent)
	return clean[:min(len(clean), session.MaxDevice)]
}
