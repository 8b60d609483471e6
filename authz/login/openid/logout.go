package openid

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

const (
	// logoutEvent must stand in a logout token (Back-Channel Logout 1.0 section 2.4).
	logoutEvent = "http://schemas.openid.net/event/backchannel-logout"
	// logoutAge is how old a logout token may be; for that long its jti is kept.
	logoutAge = 5 * time.Minute
	// maxLogout bounds the request that brings one, in bytes.
	maxLogout = 64 << 10
)

// backChannel answers as section 2.8 says: 200 done, 400 not a good token, and
// 503 where trying again makes sense.
func (h *Handler) backChannel(w http.ResponseWriter, r *http.Request) {
	p := h.find(w, r)
	if p == nil {
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxLogout)
	err := r.ParseForm()
	if err == nil {
		err = h.logOut(r.Context(), p, r.PostForm["logout_token"])
	} else {
		err = failure("logout_token_invalid", err.Error())
	}
	var refused *Failure
	switch {
	case err == nil:
		w.WriteHeader(http.StatusOK)
	case errors.As(err, &refused):
		h.Log.WarnContext(r.Context(), "a provider's sign-out was refused", "provider", p.Name, "error", err)
		http.Error(w, `{"error":"invalid_request"}`, http.StatusBadRequest)
	default:
		h.Log.ErrorContext(r.Context(), "a provider's sign-out was not carried out", "provider", p.Name, "error", err)
		http.Error(w, http.StatusText(http.StatusServiceUnavailable), http.StatusServiceUnavailable)
	}
}

type logoutClaims struct {
	SessionID string                     `json:"sid"`
	ID        string                     `json:"jti"`
	IssuedAt  float64                    `json:"iat"`
	Events    map[string]json.RawMessage `json:"events"`
	Nonce     *string                    `json:"nonce"`
}

func (h *Handler) logOut(ctx context.Context, p *provider, tokens []string) error {
	if len(tokens) != 1 {
		return failure("logout_token_invalid", fmt.Sprintf("%d logout tokens", len(tokens)))
	}
	d, err := p.ready(ctx)
	if err != nil {
		return err
	}
	verified, err := d.logout.Verify(oidc.ClientContext(ctx, p.client), tokens[0])
	if err != nil {
		if isUnavailable(err) {
			return fmt.Errorf("%w: provider %s: fetch its keys: %w", ErrUnavailable, p.Name, err)
		}
		return failure("logout_token_invalid", err.Error())
	}
	var claims logoutClaims
	if err := verified.Claims(&claims); err != nil {
		return failure("logout_token_invalid", err.Error())
	}
	if err := claims.judge(verified, h.Now()); err != nil {
		return err
	}
	// What a provider sends twice is carried out once, and a copy from elsewhere
	// not at all (section 2.6, 8). The name is freed if it was not carried out.
	key := "gatehouse:openid:logout:" + base64.RawURLEncoding.EncodeToString(digest(p.Name+"\x00"+claims.ID))
	first, err := h.Redis.SetNX(ctx, key, "", 2*logoutAge).Result()
	if err != nil {
		return fmt.Errorf("%w: note a logout token: %w", ErrUnavailable, err)
	}
	if !first {
		return failure("logout_token_replayed", "this logout token was seen before")
	}
	if err := h.SignedOut(ctx, p.Name, verified.Subject, claims.SessionID); err != nil {
		return errors.Join(err, h.Redis.Del(context.WithoutCancel(ctx), key).Err())
	}
	return nil
}

// judge are the rules of section 2.6 that a verifier of ID tokens does not have.
func (c *logoutClaims) judge(verified *oidc.IDToken, now time.Time) error {
	event, ok := c.Events[logoutEvent]
	switch {
	case !ok || !strings.HasPrefix(strings.TrimSpace(string(event)), "{"):
		return failure("logout_token_invalid", "it has no logout event: an ID token is none")
	case c.Nonce != nil:
		return failure("logout_token_invalid", "it has a nonce: an ID token is no logout token")
	case c.ID == "" || len(c.ID) > maxText:
		return failure("logout_token_invalid", "it has no jti")
	case verified.Subject == "" && c.SessionID == "":
		return failure("logout_token_invalid", "it names neither a subject nor a session")
	}
	age := now.Sub(time.Unix(int64(c.IssuedAt), 0))
	if age > logoutAge || age < -clockSkew {
		return failure("logout_token_invalid", fmt.Sprintf("it is %s old", age.Round(time.Second)))
	}
	if !verified.Expiry.IsZero() && verified.Expiry.Unix() > 0 && now.After(verified.Expiry.Add(clockSkew)) {
		return failure("logout_token_invalid", "it has expired")
	}
	return nil
}

// frontChannel is loaded by the provider's page in a frame, where a browser sends
// no cookie of ours: the session is known by the provider's own name for it,
// which nobody else knows (Front-Channel Logout 1.0 section 3).
func (h *Handler) frontChannel(w http.ResponseWriter, r *http.Request) {
	p := h.find(w, r)
	if p == nil {
		return
	}
	query := r.URL.Query()
	iss, sid := query["iss"], query["sid"]
	if len(iss) != 1 || len(sid) != 1 || subtle.ConstantTimeCompare([]byte(iss[0]), []byte(p.Issuer)) != 1 || sid[0] == "" || len(sid[0]) > maxText {
		http.Error(w, http.StatusText(http.StatusBadRequest), http.StatusBadRequest)
		return
	}
	if err := h.SignedOut(r.Context(), p.Name, "", sid[0]); err != nil {
		h.Log.ErrorContext(r.Context(), "a provider's sign-out was not carried out", "provider", p.Name, "error", err)
		http.Error(w, http.StatusText(http.StatusServiceUnavailable), http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusOK)
}
