package login

import (
	"context"
	"math"
	"net/http"
	"strconv"
	"time"

	"gatehouse/authz/event"
	"gatehouse/authz/login/throttle"
	"gatehouse/filter/verdict"
)

// attempt is one that is being judged. It counts as failed until success or
// undecided.
type attempt struct {
	h     *handler
	taken *throttle.Taken
}

// begin counts an attempt, or answers: 429 with the time to wait, which is the
// same for names that nobody has, and for the right password; or 503. device is
// of the account's name, subject what is counted.
func (h *handler) begin(w http.ResponseWriter, r *http.Request, c credentials, account string) (attempt, bool) {
	return h.beginFor(w, r, c, account, account)
}

func (h *handler) beginFor(w http.ResponseWriter, r *http.Request, c credentials, account, counted string) (attempt, bool) {
	if h.throttle == nil {
		return attempt{h: h}, true
	}
	taken, wait, err := h.throttle.Take(r.Context(), throttle.Attempt{
		Account: counted, Address: h.ClientIP(r), Device: h.throttle.Device(r, account),
	})
	switch {
	case err != nil:
		h.unavailable(w, r, c, err)
	case wait > 0:
		if counted == account {
			h.suspect(r, suspicion{what: "sign_in_guessed", of: account, again: 24 * time.Hour}, func(ctx context.Context) (User, error) {
				return h.Accounts.UserByName(ctx, account)
			})
		}
		h.tooMany(w, r, c, account, wait)
	default:
		return attempt{h: h, taken: taken}, true
	}
	return attempt{}, false
}

func (h *handler) tooMany(w http.ResponseWriter, r *http.Request, c credentials, account string, wait time.Duration) {
	e := h.event(r, event.AuthenticationAttempt)
	e.Severity, e.Outcome = event.Warning, event.Failure
	e.Rule, e.Reason, e.Subject = "throttle", string(ReasonThrottled), h.Pseudonyms.Name(account)
	h.Events.Append(e)
	seconds := strconv.Itoa(int(math.Ceil(wait.Seconds())))
	w.Header().Set("Retry-After", seconds)
	text := "Too many attempts. Please wait " + seconds + " seconds."
	switch {
	case c.form && c.page:
		h.signInPage(w, r, verdict.TooManyRequests.Status(), c.next, text)
	case c.form:
		writePage(w, verdict.TooManyRequests.Status(), "Sign-in is not possible", text)
	default:
		writeProblem(w, r, verdict.TooManyRequests)
	}
}

// success and undecided go on if Redis is gone: the attempt stays counted, which
// is on the safe side. success says how many had failed before.
func (a attempt) success(ctx context.Context) (failed int) {
	if a.taken != nil {
		var err error
		failed, err = a.taken.Success(ctx)
		a.warn(ctx, err)
	}
	return failed
}

func (a attempt) undecided(ctx context.Context) {
	if a.taken != nil {
		a.warn(ctx, a.taken.Undecided(ctx))
	}
}

func (a attempt) warn(ctx context.Context, err error) {
	if err != nil {
		a.h.Log.WarnContext(ctx, "an attempt that did not fail stays counted as one that did", "error", err)
	}
}
