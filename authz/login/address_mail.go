package login

import (
	"context"
	"net/http"

	"gatehouse/authz/event"
)

// addressMails are what is sent when a person asks for another address.
type addressMails struct {
	h                        *handler
	change                   AddressChange
	request                  string
	toFormer, toNew, toOther string
	event                    event.Event // of what goes wrong
}

func (h *handler) addressMails(r *http.Request, user User, change AddressChange, token string) addressMails {
	e := h.event(r, event.UserChanged)
	e.Severity, e.Outcome, e.Feature, e.Subject = event.Warning, event.Failure, "sign_in", h.Pseudonyms.Subject(user.ID)
	e.Personal[event.PersonalName] = user.Name
	origin := h.origin(r.Host)
	return addressMails{
		h: h, change: change, request: requestID(r), event: e,
		toFormer: "Somebody, you we hope, asked on the page of your account that mail about it goes to another address.\n\n" + h.circumstances(r) +
			"\n\nNothing is changed until they open the link that was sent there, within ten minutes, while they are signed in to your account." +
			"\n\nIf that was not you: sign out everywhere, at " + origin + accountPath + ", and change your password there. That ends it." +
			" If you cannot, tell those who run the site at once.\n",
		toNew: "Somebody, you we hope, asked at " + h.site() + " that mail about their account goes to this address.\n\n" +
			"Open this within ten minutes, and sign in to that account:\n" + origin + linkOf(token) +
			"\n\nIf that was not you, do nothing: without you nothing is changed.\n",
		toOther: "Somebody asked at " + h.site() + " that mail about an account goes to this address. It is another account's already, so nothing is changed.\n\n" +
			"If that was you: sign in to the account that has this address, or ask those who run the site to change it." +
			"\n\nIf that was not you, do nothing.\n",
	}
}

// send tells the former address, which may be dead, and then the new one. If the
// latter fails the change is over, and the page of the account does not show it as
// waiting any more.
func (m addressMails) send(ctx context.Context) {
	if m.change.Former != "" {
		if err := m.h.Mailer.Mail(ctx, m.change.Former, "Somebody asked to change the address of your account", m.toFormer); err != nil {
			m.failed(ctx, "email_notice_not_sent", "the former address was not told by mail", err)
		}
	}
	taken, err := m.h.Accounts.AddressTaken(ctx, m.change.UserID, m.change.Address)
	switch {
	case err != nil:
	case taken:
		m.failed(ctx, "email_change_refused", "the address is another user's", nil)
		err = m.h.Mailer.Mail(ctx, m.change.Address, "Your mail address was given for another account", m.toOther)
	default:
		err = m.h.Mailer.Mail(ctx, m.change.Address, "Confirm your mail address", m.toNew)
	}
	if err == nil {
		return
	}
	m.failed(ctx, "email_change_failed", "the link was not sent to the new address", err)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), within)
	defer cancel()
	if _, err := m.h.Accounts.DropAddress(ctx, m.change.UserID, m.change.Lookup); err != nil {
		m.h.Log.WarnContext(ctx, "a change of an address that cannot be confirmed is shown as waiting until it is over", "error", err, "request_id", m.request)
	}
}

func (m addressMails) failed(ctx context.Context, rule, reason string, err error) {
	e := m.event
	e.Rule, e.Reason = rule, reason
	m.h.Events.Append(e)
	if err != nil {
		m.h.Log.WarnContext(ctx, reason, "error", err, "request_id", m.request)
	}
}
