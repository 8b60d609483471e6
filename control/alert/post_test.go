package alert

import (
	"strings"
	"testing"
	"time"

	people "gatehouse/authz/login"
	"gatehouse/authz/secret"
)

var _ people.Mailer = (*Post)(nil)

func TestAPersonGetsTheirMailAndNobodyElse(t *testing.T) {
	t.Parallel()
	server := serveMail(t, mailKind{})
	post, err := NewPost(server.settings(t, StartTLS), func() secret.Value { return secret.New([]byte(server.password)) }, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if err := post.Mail(t.Context(), "anna@example.com", "Set your password anew", "Open this:\nhttps://app.example.com/x\n"); err != nil {
		t.Fatal(err)
	}
	server.mu.Lock()
	defer server.mu.Unlock()
	if len(server.mails) != 1 || len(server.mails[0].to) != 1 || server.mails[0].to[0] != "anna@example.com" ||
		!strings.Contains(server.mails[0].raw, "https://app.example.com/x") || server.mails[0].message.Header.Get("Subject") != "Set your password anew" {
		t.Errorf("%+v", server.mails)
	}
}

func TestAMailToAPersonThatCannotBeOneIsNotSent(t *testing.T) {
	t.Parallel()
	server := serveMail(t, mailKind{})
	post, err := NewPost(server.settings(t, StartTLS), func() secret.Value { return secret.Value{} }, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	for name, m := range map[string][3]string{
		"two addresses":         {"a@example.com, b@example.com", "t", "x"},
		"a header in the to":    {"a@example.com\r\nBcc: b@example.com", "t", "x"},
		"a control in the text": {"a@example.com", "t", "x\x00"},
		"too much text":         {"a@example.com", "t", strings.Repeat("x", maxPost+1)},
	} {
		if err := post.Mail(t.Context(), m[0], m[1], m[2]); err == nil {
			t.Errorf("%s: sent", name)
		}
	}
	for _, s := range []MailSettings{{}, {Host: "mail.example.com", Port: 25, TLS: NoTLS, From: "g@example.com"}, {Host: "mail.example.com", Port: 465, TLS: ImplicitTLS}} {
		if _, err := NewPost(s, nil, time.Now); err == nil {
			t.Errorf("%+v is taken", s)
		}
	}
}
