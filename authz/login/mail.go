package login

import (
	"context"
	"net/http"
	"time"

	"gatehouse/authz/session"
)

// Mail about changes goes beside the request that has made them: a mail server
// that hangs would else have the person believe that nothing was changed.

const (
	// maxLetters bounds how many are being sent at once, beside notices of attempts,
	// which strangers cause.
	maxLetters = 64
	// mailInTurn bounds the wait of a request whose notice finds no place beside it.
	mailInTurn = 2 * time.Second
)

// place takes one of maxLetters, which free gives back; it is false if none is left.
func (h *handler) place() (free func(), ok bool) {
	select {
	case h.letters <- struct{}{}:
		return func() { <-h.letters }, true
	default:
		return nil, false
	}
}

// beside runs send, which ends within mailWithin, whatever the mail server does.
func beside(r *http.Request, free func(), send func(context.Context)) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), mailWithin)
	go func() {
		defer cancel()
		defer free()
		send(ctx)
	}()
}

// notify sends mail if it can. A mail that is not sent changes nothing: the
// event is the record.
func (h *handler) notify(r *http.Request, user User, what string) {
	subject, text, ok := Notice(what)
	if !ok || h.Mailer == nil || user.Email == "" {
		return
	}
	request := requestID(r)
	send := func(ctx context.Context) {
		if err := h.Mailer.Mail(ctx, user.Email, subject, text); err != nil {
			h.Log.WarnContext(ctx, "a notice was not sent", "notice", what, "error", err, "request_id", request)
		}
	}
	if free, ok := h.place(); ok {
		beside(r, free, send)
		return
	}
	// Left out it must not be: whoever could fill the places would change things unheard.
	ctx, cancel := context.WithTimeout(r.Context(), mailInTurn)
	defer cancel()
	send(ctx)
}

// circumstances say who did what a mail tells of, as far as it is known.
func (h *handler) circumstances(r *http.Request) string {
	return "When: " + h.Now().UTC().Format("2006-01-02 15:04 UTC") +
		"\nDevice: " + orUnknown(device(r.UserAgent())) + "\nNetwork: " + orUnknown(session.Network(h.ClientIP(r)))
}
