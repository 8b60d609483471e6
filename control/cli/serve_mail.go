package cli

import (
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/pflag"

	"gatehouse/authz/login"
	"gatehouse/authz/secret"
	"gatehouse/control/alert"
)

// mailFlags say how authz reaches people by mail.
type mailFlags struct{ server, from, ca string }

func (f *mailFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.server, "mail-server", "", "server for mail to users (resets, notices): smtp://USER@HOST:587 (STARTTLS, demanded), smtps://USER@HOST:465, or smtp+plain://localhost:25 to loopback; the password's file is GATEHOUSE_MAIL_PASSWORD_FILE; empty sends none")
	flags.StringVar(&f.from, "mail-from", "", "sender of that mail: Example <no-reply@example.com>")
	flags.StringVar(&f.ca, "mail-ca", "", "authorities (PEM) of the server's certificate instead of the system's")
}

var mailTLS = map[string]string{"smtp": alert.StartTLS, "smtps": alert.ImplicitTLS, "smtp+plain": alert.NoTLS}

// mailer is nil where no server is named.
func (f *mailFlags) mailer(s *service) (login.Mailer, error) {
	if f.server == "" {
		return nil, nil //nolint:nilnil // nobody gets mail, which is no error
	}
	u, err := url.Parse(f.server)
	if err != nil || mailTLS[u.Scheme] == "" || u.Hostname() == "" || u.Path != "" || u.RawQuery != "" {
		return nil, misuse("--mail-server: write smtp://USER@HOST:PORT, smtps:// or smtp+plain://")
	}
	if _, has := u.User.Password(); has {
		return nil, misuse("--mail-server holds a password, which every user of this machine can see in the list of processes: " +
			"write it to a file with mode 0600 and set GATEHOUSE_MAIL_PASSWORD_FILE")
	}
	settings := alert.MailSettings{
		Host: u.Hostname(), Port: alert.DefaultMailPort(mailTLS[u.Scheme]), TLS: mailTLS[u.Scheme], Username: u.User.Username(),
		From: f.from, CAFile: f.ca,
	}
	if text := u.Port(); text != "" {
		if settings.Port, err = strconv.Atoi(text); err != nil {
			return nil, misuse("--mail-server: %q is no port", text)
		}
	}
	password := func() secret.Value { return secret.Value{} }
	if settings.Username != "" {
		live, err := s.app.live("GATEHOUSE_MAIL_PASSWORD", s.log.Logger)
		if err != nil {
			return nil, wrong("%w", err)
		}
		if live == nil {
			return nil, misuse("--mail-server names a user: set GATEHOUSE_MAIL_PASSWORD_FILE to the file with the password")
		}
		password = live.Fresh
	}
	post, err := alert.NewPost(settings, password, time.Now)
	if err != nil {
		return nil, misuse("--mail-server, --mail-from: %w", err)
	}
	return post, nil
}
