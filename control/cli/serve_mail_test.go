package cli

import (
	"testing"
)

func TestAMailServerIsNamedWithoutAPasswordAndEncrypted(t *testing.T) {
	t.Parallel()
	for server, good := range map[string]bool{
		"":                                 true,
		"smtp://mail.example.com":          true,
		"smtps://mail.example.com:465":     true,
		"smtp+plain://localhost:25":        true,
		"smtp+plain://mail.example.com":    false,
		"http://mail.example.com":          false,
		"smtp://":                          false,
		"smtp://mail.example.com/x":        false,
		"smtp://mail.example.com:70000":    false,
		"smtp://user:" + "x@mail.example":  false,
		"smtp://user@mail.example.com:587": false, // its password's file is not named
	} {
		f := mailFlags{server: server, from: "Example <no-reply@example.com>"}
		s := &service{app: &App{Env: func(string) string { return "" }}, log: &serviceLog{}}
		if m, err := f.mailer(s); (err == nil) != good || (m != nil) != (good && server != "") {
			t.Errorf("%q: %v, %v", server, m, err)
		}
	}
	bad := mailFlags{server: "smtp://mail.example.com", from: "nobody"}
	if _, err := bad.mailer(&service{}); err == nil {
		t.Error("a sender that is none")
	}
}
