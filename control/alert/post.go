package alert

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"gatehouse/authz/event"
	"gatehouse/authz/secret"
)

// Post sends mail to single persons, over the same kind of connection as Mail: the
// links of resets, and notices. It is a login.Mailer.
type Post struct{ m *Mail }

// maxPost bounds the text of a mail, in bytes.
const maxPost = 16 << 10

// NewPost returns a Post; s.To is not used. password is as of NewMail.
func NewPost(s MailSettings, password func() secret.Value, now func() time.Time) (*Post, error) {
	s.To = nil
	if s.Host == "" || s.Port < 1 || s.Port > 65535 {
		return nil, errors.New("mail: name a host, and a port of 1 to 65535")
	}
	m, err := NewMail("mail to users", s, password, now)
	if err != nil {
		return nil, err
	}
	return &Post{m}, nil
}

// Mail implements login.Mailer. It ends with ctx, or after ten seconds.
func (p *Post) Mail(ctx context.Context, to, title, text string) error {
	address, err := ParseMailAddress(to)
	if err != nil {
		return fmt.Errorf("the user's address: %w", err)
	}
	if len(text) > maxPost || strings.ContainsFunc(strings.NewReplacer("\n", "", "\t", "").Replace(text), isControl) {
		return fmt.Errorf("the text of a mail has more than %d bytes, or control characters", maxPost)
	}
	letter := gomail.NewMsg(gomail.WithEncoding(gomail.EncodingQP), gomail.WithNoDefaultUserAgent())
	letter.FromMailAddress(p.m.from)
	letter.ToMailAddress(address)
	letter.Subject(subject(title))
	letter.SetDateWithValue(p.m.now())
	letter.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834
	letter.SetMessageIDWithValue(event.NewID() + "@" + domainOf(p.m.from))
	letter.SetBodyString(gomail.TypeTextPlain, text)
	_, err = p.m.deliver(ctx, letter)
	return err
}
