package console

import (
	"encoding/json"
	"net/http"
	"net/url"
	"path"
	"strings"
)

// maxForm bounds the sign-in form in bytes.
const maxForm = 16 << 10

type signInData struct {
	Next   string
	Failed string
	Method string // token or user: which form was sent
	User   string
}

func (c *console) signInPage(w http.ResponseWriter, r *http.Request) {
	c.render(w, r, http.StatusOK, "signin", view{Title: "Sign in", Data: signInData{Next: local(r.URL.Query().Get("next"))}})
}

// local is next if it is a page of the console, else its first page.
func local(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.IsAbs() || u.Host != "" || strings.ContainsAny(next, "\\\r\n\t") || path.Clean(u.Path) != u.Path ||
		u.Path != Root && !strings.HasPrefix(u.Path, Root+"/") {
		return Root
	}
	return next
}

func (c *console) signIn(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		c.render(w, r, http.StatusBadRequest, "message", view{Title: "Sign-in failed", Data: message{Text: "The form was not understood."}})
		return
	}
	d := signInData{Next: local(r.PostForm.Get("next")), Method: "user", User: r.PostForm.Get("username")}
	credentials := map[string]string{"username": d.User, "password": r.PostForm.Get("password")}
	if token := strings.TrimSpace(r.PostForm.Get("token")); token != "" {
		d.Method, credentials = "token", map[string]string{"token": token}
	}
	body, err := json.Marshal(credentials)
	if err != nil {
		body = nil // texts: cannot be
	}
	answer := c.api.post(r, "/v1/sign-in", body)
	if answer.status == http.StatusOK {
		w.Header()["Set-Cookie"] = answer.header.Values("Set-Cookie")
		http.Redirect(w, r, d.Next, http.StatusSeeOther)
		return
	}
	d.Failed = map[int]string{
		http.StatusUnauthorized:       "That is not right. Check what you have typed.",
		http.StatusTooManyRequests:    "Too many attempts. Wait a minute and try again.",
		http.StatusForbidden:          "This form was sent from another site.",
		http.StatusServiceUnavailable: "Signing in is not possible right now. Try again in a moment.",
	}[answer.status]
	if d.Failed == "" {
		d.Failed = "Fill in the token, or the name and the password."
	}
	c.render(w, r, answer.status, "signin", view{Title: "Sign in", Data: d})
}

func (c *console) signOut(w http.ResponseWriter, r *http.Request) {
	answer := c.api.post(r, "/v1/sign-out", nil)
	if answer.status >= http.StatusBadRequest {
		c.render(w, r, answer.status, "message", view{Title: "Still signed in", Data: message{
			Text: "Signing out did not work. Try again in a moment.", RequestID: answer.header.Get("X-Request-Id"),
		}})
		return
	}
	for _, name := range []string{"Set-Cookie", "Clear-Site-Data"} {
		w.Header()[name] = answer.header.Values(name)
	}
	http.Redirect(w, r, Root+"/sign-in", http.StatusSeeOther)
}
