package openid

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/oauth2"
)

// PendingFor is how long a person may take at the provider.
const PendingFor = 10 * time.Minute

// pending is a sign-in that has been begun. It lies in Redis under the hash of
// its state, and can be taken once.
type pending struct {
	Provider string `json:"provider"`
	Nonce    string `json:"nonce"`
	Verifier string `json:"verifier"` // of PKCE
	Origin   string `json:"origin"`
	Next     string `json:"next"`
	StepUp   string `json:"step_up,omitempty"`
	Begun    int64  `json:"begun"`     // Unix seconds
	SignOuts int64  `json:"sign_outs"` // as of Identity
	// Whom is Link's: who it is that wants to be known by this provider.
	Whom string `json:"whom,omitempty"`
	// Browser is the SHA-256 of the cookie of the browser that began it.
	Browser []byte `json:"browser"`
}

// begun is what only the browser and the provider learn.
type begun struct{ state, cookie string }

func randomText() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

func digest(text string) []byte {
	sum := sha256.Sum256([]byte(text))
	return sum[:]
}

func pendingKey(state string) string {
	return "gatehouse:openid:pending:" + base64.RawURLEncoding.EncodeToString(digest(state))
}

func begin(ctx context.Context, client redis.UniversalClient, p pending) (pending, begun, error) {
	b := begun{state: randomText(), cookie: randomText()}
	p.Nonce, p.Verifier, p.Browser = randomText(), oauth2.GenerateVerifier(), digest(b.cookie)
	var err error
	if p.SignOuts, err = signOuts(ctx, client); err != nil {
		return pending{}, begun{}, err
	}
	text, err := json.Marshal(p)
	if err != nil {
		return pending{}, begun{}, fmt.Errorf("write a pending sign-in: %w", err)
	}
	if err := client.Set(ctx, pendingKey(b.state), text, PendingFor).Err(); err != nil {
		return pending{}, begun{}, fmt.Errorf("%w: keep a pending sign-in: %w", ErrUnavailable, err)
	}
	return p, b, nil
}

// take ends a pending sign-in; the error is a Failure if there is none, or none
// of this browser and provider.
func take(ctx context.Context, client redis.UniversalClient, state, provider string, cookies []string) (pending, error) {
	text, err := client.GetDel(ctx, pendingKey(state)).Bytes()
	if errors.Is(err, redis.Nil) {
		return pending{}, failure("state_unknown", "no sign-in is pending under this state: it was used, or ten minutes are over")
	}
	if err != nil {
		return pending{}, fmt.Errorf("%w: find a pending sign-in: %w", ErrUnavailable, err)
	}
	var p pending
	if err := json.Unmarshal(text, &p); err != nil {
		return pending{}, failure("state_unknown", "the pending sign-in cannot be read: "+err.Error())
	}
	if p.Provider != provider {
		return pending{}, failure("provider_mixed_up", fmt.Sprintf("begun at %s, answered by %s", p.Provider, provider))
	}
	for _, cookie := range cookies {
		if subtle.ConstantTimeCompare(digest(cookie), p.Browser) == 1 {
			return p, nil
		}
	}
	return pending{}, failure("browser_unknown", "the sign-in was begun in another browser")
}
