// Package totp makes and checks the one-time passwords of authenticator apps.
//
// It promises RFC 6238 with SHA-1, six digits and steps of 30 s, which is what
// every app understands; a check that takes the step before and the one after
// for clocks that differ (RFC 6238 section 5.2), and never a step that was used,
// or one before it; and an enrolment that is drawn here, so that no other
// service learns the secret. Keeping the last step is the store's.
package totp

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1" // #nosec G505 -- HMAC-SHA-1 is RFC 6238's, and unbroken
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/url"
	"strings"
	"time"
)

const (
	// Step is how long a code is new.
	Step = 30 * time.Second
	// Digits of a code.
	Digits = 6
	// SecretBytes is RFC 4226's recommendation (section 4, R6).
	SecretBytes = 20
	// Skew is how many steps a clock may be off.
	Skew = 1
)

// NewSecret returns a new secret.
func NewSecret() []byte {
	secret := make([]byte, SecretBytes)
	_, _ = rand.Read(secret) // never fails: it ends the process instead
	return secret
}

// Text is the secret as one types it into an app.
func Text(secret []byte) string {
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(secret)
}

// URI is the otpauth URI of an enrolment (Google Authenticator's key URI format).
func URI(secret []byte, issuer, account string) string {
	issuer = strings.ReplaceAll(issuer, ":", " ") // a colon ends it
	u := url.URL{Scheme: "otpauth", Host: "totp", Path: "/" + issuer + ":" + account}
	// Apps read a "+" as itself, so that spaces must be %20.
	u.RawQuery = strings.ReplaceAll(url.Values{
		"secret": {Text(secret)}, "issuer": {issuer}, "algorithm": {"SHA1"}, "digits": {"6"}, "period": {"30"},
	}.Encode(), "+", "%20")
	return u.String()
}

// StepAt is the number of the step of a time.
func StepAt(at time.Time) int64 { return at.Unix() / int64(Step/time.Second) }

// Code is the code of a step (RFC 4226 section 5.3).
func Code(secret []byte, step int64) string {
	var counter [8]byte
	binary.BigEndian.PutUint64(counter[:], uint64(step)) // #nosec G115 -- times since 1970
	mac := hmac.New(sha1.New, secret)
	mac.Write(counter[:])
	sum := mac.Sum(nil)
	offset := sum[len(sum)-1] & 0xf
	value := binary.BigEndian.Uint32(sum[offset:]) & 0x7fffffff
	return fmt.Sprintf("%0*d", Digits, value%1_000_000)
}

// Read is the code that somebody typed, without spaces, and whether it can be
// one.
func Read(text string) (string, bool) {
	if len(text) > 32 {
		return "", false
	}
	text = strings.Map(func(r rune) rune {
		if r == ' ' || r == '-' {
			return -1
		}
		return r
	}, text)
	if len(text) != Digits {
		return "", false
	}
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return "", false
		}
	}
	return text, true
}

// Check returns the step whose code it is. It is false if there is none after
// the last used one.
func Check(secret []byte, code string, now time.Time, last int64) (int64, bool) {
	current, found := StepAt(now), int64(-1)
	for step := current - Skew; step <= current+Skew; step++ {
		if subtle.ConstantTimeCompare([]byte(Code(secret, step)), []byte(code)) == 1 && step > last {
			found = step
		}
	}
	return found, found >= 0
}
