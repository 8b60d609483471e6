package openid

import (
	"cmp"
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// Bounds of what is taken from a provider, in bytes or entries.
const (
	maxSubject = 255 // Core section 2
	maxText    = 254
	maxRoles   = 64
	maxRole    = 128
)

// Identity is whom a provider vouches for.
type Identity struct {
	Provider string // Settings.Name
	Issuer   string
	// Subject is the person's name at the issuer, and the only one that stays
	// theirs: an e-mail address can be given to another.
	Subject       string
	Name          string // to show; may be empty
	Email         string
	EmailVerified bool
	Roles         []string
	AuthTime      time.Time // when they proved who they are, if the provider says so
	AMR           []string
	// SessionID is the provider's ("sid"), by which it tells of its end.
	SessionID string
	// SignOuts is how many sign-outs providers had told of when this sign-in began; see
	// Links.Ended.
	SignOuts int64
}

// redeem exchanges the code and judges the ID token (Core section 3.1.3.7).
func (p *provider) redeem(ctx context.Context, started pending, code string) (Identity, *oauth2.Token, error) {
	d, err := p.ready(ctx)
	if err != nil {
		return Identity{}, nil, err
	}
	ctx = oidc.ClientContext(ctx, p.client)
	token, err := p.oauth(d, started.Origin).Exchange(ctx, code, oauth2.VerifierOption(started.Verifier))
	if err != nil {
		var refused *oauth2.RetrieveError
		if errors.As(err, &refused) && refused.Response.StatusCode < 500 {
			return Identity{}, nil, failure("code_refused", fmt.Sprintf("the provider refused the code: %.100q", refused.ErrorCode))
		}
		return Identity{}, nil, fmt.Errorf("%w: provider %s: exchange the code: %w", ErrUnavailable, p.Name, err)
	}
	who, err := p.identity(ctx, d, token, started.Nonce)
	if err != nil {
		return Identity{}, nil, err
	}
	who.SignOuts = started.SignOuts
	if started.StepUp == RecentSignIn && who.AuthTime.Before(time.Unix(started.Begun, 0).Add(-clockSkew)) {
		return Identity{}, nil, failure("not_signed_in_anew", "the provider was asked to have the person sign in anew, and did not say that it has")
	}
	return who, token, nil
}

func (p *provider) identity(ctx context.Context, d *discovered, token *oauth2.Token, nonce string) (Identity, error) {
	raw, _ := token.Extra("id_token").(string)
	if raw == "" {
		return Identity{}, failure("id_token_missing", "the provider answered without an ID token")
	}
	verified, err := d.verifier.Verify(ctx, raw)
	if err != nil {
		if isUnavailable(err) {
			return Identity{}, fmt.Errorf("%w: provider %s: fetch its keys: %w", ErrUnavailable, p.Name, err)
		}
		return Identity{}, failure("id_token_invalid", err.Error())
	}
	if subtle.ConstantTimeCompare([]byte(verified.Nonce), []byte(nonce)) != 1 {
		return Identity{}, failure("nonce_mismatch", "the ID token was not made for this sign-in")
	}
	if verified.AccessTokenHash != "" {
		if err := verified.VerifyAccessToken(token.AccessToken); err != nil {
			return Identity{}, failure("at_hash_mismatch", err.Error())
		}
	}
	who, claims, err := p.read(verified)
	if err == nil && p.lacks(who, claims) {
		err = p.complete(ctx, d, token, &who)
	}
	return who, err
}

// lacks says whether the ID token leaves out what is wanted of it.
func (p *provider) lacks(who Identity, claims map[string]any) bool {
	return who.Name == "" || who.Email == "" || p.RoleClaim != "" && claim(claims, p.RoleClaim) == nil
}

// complete asks the UserInfo endpoint (Core section 5.3), where some providers
// tell what they leave out of ID tokens.
func (p *provider) complete(ctx context.Context, d *discovered, token *oauth2.Token, who *Identity) error {
	if d.document.UserInfoEndpoint() == "" {
		return nil
	}
	info, err := d.document.UserInfo(ctx, oauth2.StaticTokenSource(token))
	if err != nil {
		return fmt.Errorf("%w: provider %s: ask for the person's claims: %w", ErrUnavailable, p.Name, err)
	}
	var claims map[string]any
	if err := info.Claims(&claims); err != nil {
		return failure("user_info_invalid", err.Error())
	}
	// Section 5.3.2: an answer about somebody else must not be used.
	if who.Subject != "" && info.Subject != who.Subject {
		return failure("subject_changed", "the UserInfo endpoint answered about somebody else")
	}
	who.Subject = info.Subject
	if who.Email == "" {
		who.Email, who.EmailVerified = text(claims, "email"), info.EmailVerified
	}
	who.Name = cmp.Or(who.Name, text(claims, "preferred_username"), text(claims, "name"))
	if value := claim(claims, p.RoleClaim); p.RoleClaim != "" && value != nil {
		who.Roles = texts(value)
	}
	return nil
}

func (p *provider) read(verified *oidc.IDToken) (Identity, map[string]any, error) {
	var claims map[string]any
	if err := verified.Claims(&claims); err != nil {
		return Identity{}, nil, failure("id_token_invalid", err.Error())
	}
	who := Identity{
		Provider: p.Name, Issuer: verified.Issuer, Subject: verified.Subject, Name: cmp.Or(text(claims, "preferred_username"), text(claims, "name")),
		Email: text(claims, "email"), SessionID: text(claims, "sid"), AMR: texts(claims["amr"]),
	}
	if who.Subject == "" || len(who.Subject) > maxSubject || !printable(who.Subject) {
		return Identity{}, nil, failure("subject_unusable", "the ID token has no sub of 1 to 255 printable bytes")
	}
	who.EmailVerified, _ = claims["email_verified"].(bool)
	if p.RoleClaim != "" {
		who.Roles = texts(claim(claims, p.RoleClaim))
	}
	if at, ok := claims["auth_time"].(float64); ok && at > 0 {
		who.AuthTime = time.Unix(int64(at), 0)
	}
	// azp, if there is one, is us (Core section 3.1.3.7, 4 and 5).
	if azp, ok := claims["azp"].(string); (ok || len(verified.Audience) > 1) && azp != p.ClientID {
		return Identity{}, nil, failure("id_token_invalid", fmt.Sprintf("it was issued to %.60q", azp))
	}
	return who, claims, nil
}

// text is a claim that may be shown; what is unfit counts as absent.
func text(claims map[string]any, name string) string {
	value, _ := claims[name].(string)
	if len(value) > maxText || !printable(value) {
		return ""
	}
	return value
}

func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

// texts is a claim that is a text or a list of texts.
func texts(value any) []string {
	var out []string
	add := func(v any) {
		s, ok := v.(string)
		if ok && s != "" && len(s) <= maxRole && printable(s) && len(out) < maxRoles && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	if list, ok := value.([]any); ok {
		for _, v := range list {
			add(v)
		}
		return out
	}
	add(value)
	return out
}

// isUnavailable tells that keys could not be fetched from a token that is bad.
func isUnavailable(err error) bool {
	var network net.Error
	return errors.As(err, &network) || errors.Is(err, context.DeadlineExceeded) || strings.Contains(err.Error(), "fetching keys")
}
