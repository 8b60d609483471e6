package posture

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"regexp"
)

// genericSignIn fails two sign-ins, which is as many as a person may without
// being locked out or alarming anybody.
func genericSignIn(ctx context.Context, p *probe, t *trial) {
	if p.target.Username == "" {
		t.unknown("nobody who may sign in is known: pass --username")
		return
	}
	var answers [2]answered
	for i, who := range []string{"posture-" + rand.Text(), p.target.Username} {
		a, err := p.signIn(ctx, who, "posture "+rand.Text())
		if err != nil {
			t.unknown("sign-in: %v", err)
			return
		}
		if a.status == http.StatusTooManyRequests {
			t.unknown("sign-in is limited just now (429): ask again later")
			return
		}
		t.saw("POST /auth/login as "+[]string{"nobody", "a known user"}[i]+" with a wrong password", a.String()+" "+string(anonymous(a.body)), "response")
		answers[i] = a
	}
	nobody, known := answers[0], answers[1]
	t.want(nobody.status == http.StatusUnauthorized, "an unknown user gets %s", nobody)
	t.want(nobody.status == known.status && string(anonymous(nobody.body)) == string(anonymous(known.body)),
		"the answers differ: whoever asks learns which users there are")
}

// anonymous is a problem document without what names the request.
func anonymous(body []byte) []byte {
	var document map[string]any
	if json.Unmarshal(body, &document) != nil {
		return body
	}
	delete(document, "request_id")
	delete(document, "instance")
	clean, err := json.Marshal(document)
	if err != nil {
		return body
	}
	return clean
}

// inside is what no answer to a stranger may hold.
var inside = regexp.MustCompile(`(?i)goroutine \d|panic:|\.go:\d+|/(?:home|root|var|usr|tmp)/|redis:|sql:|sqlite|postgres|127\.0\.0\.1:\d|stack ?trace|no such user|user not found|invalid password`)

func plainRefusals(ctx context.Context, p *probe, t *trial) {
	page := p.target.Routes.Page
	type question struct {
		what string
		bare bool // Envoy refuses it before there is a route, and may say nothing at all
		request
	}
	questions := []question{
		{"an escaped slash", true, request{base: p.open(), route: Route{page.Host, "/posture%2f..%2fposture"}}},
		{"a sign-in that is no JSON", false, request{
			method: http.MethodPost, base: p.open(), route: Route{page.Host, "/auth/login"},
			header: map[string]string{"Content-Type": "application/json"}, body: []byte("{"),
		}},
	}
	if p.target.Routes.Protected.Known() {
		questions = append(questions, question{"no session", false, request{base: p.open(), route: p.target.Routes.Protected}})
	}
	for _, q := range questions {
		a, ok := p.ask(ctx, t, q.request)
		if !ok {
			continue
		}
		t.saw(q.what, a.String()+" "+string(a.body), "response")
		t.want(a.status >= http.StatusBadRequest && a.status < http.StatusInternalServerError, "%s is answered with %s", q.what, a)
		t.want(isProblem(a) || q.bare && len(a.body) == 0, "%s is answered with %q, no problem document", q.what, a.header.Get("Content-Type"))
		t.want(!inside.Match(a.body), "%s: the answer tells of the inside", q.what)
	}
}
