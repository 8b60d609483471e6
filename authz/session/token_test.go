package session

import (
	"bytes"
	"crypto/rand"
	"errors"
	"strings"
	"testing"
)

func draw(t testing.TB) string {
	t.Helper()
	token, err := newToken(rand.Reader, Handle("u-1"))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestATokenIsWellFormedAndDrawnAnew(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 1000 {
		token := draw(t)
		if !WellFormed(token) || len(token) != TokenLength || !strings.HasPrefix(token, TokenPrefix) {
			t.Fatalf("token %q", token)
		}
		if seen[token] {
			t.Fatalf("token %q came twice", token)
		}
		seen[token] = true
	}
}

func TestATokenIsWrittenTheSameInEveryVersion(t *testing.T) {
	t.Parallel()
	token, err := newToken(bytes.NewReader(make([]byte, tokenBytes)), Handle("u-1"))
	if err != nil {
		t.Fatal(err)
	}
	// CRC-32 by Python's zlib.crc32, base 62 by hand: not by this code.
	const want = "ghs_pp9ygm-9NkRXAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA3D72Sg"
	if token != want {
		t.Errorf("token %q, want %q", token, want)
	}
}

func TestEveryChangeOfOneCharacterIsNoticed(t *testing.T) {
	t.Parallel()
	token := draw(t)
	for i := range len(token) {
		for _, c := range []byte("AZaz09-_. \x00") {
			if token[i] == c {
				continue
			}
			changed := token[:i] + string(c) + token[i+1:]
			if WellFormed(changed) {
				t.Errorf("%q passes for a token", changed)
			}
		}
	}
}

func TestWhatIsNoTokenIsMalformed(t *testing.T) {
	t.Parallel()
	token := draw(t)
	for name, text := range map[string]string{
		"nothing":             "",
		"the prefix":          TokenPrefix,
		"cut":                 token[:len(token)-1],
		"longer":              token + "A",
		"another prefix":      "ghp_" + token[4:],
		"upper-case prefix":   "GHS_" + token[4:],
		"space before":        " " + token,
		"line break":          token + "\n",
		"padded":              token[:secretEnd] + "=" + token[secretEnd:],
		"a line break within": token[:secretStart+1] + "\n" + token[secretStart+2:],
		"checksum of nothing": TokenPrefix + strings.Repeat("A", handleLength+secretLength+checkLength),
		// The last character of 43 carries four bits; "B" sets one of the spare two.
		"spare bits with their own checksum": spare(),
	} {
		if WellFormed(text) {
			t.Errorf("%s: %q passes for a token", name, text)
		}
		if _, err := refOf(text); !errors.Is(err, ErrMalformed) || !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func spare() string {
	body := TokenPrefix + strings.Repeat("A", handleLength+secretLength-1) + "B"
	return body + checked(body)
}

func TestATokenOfVersionOneIsKnownAndOpensNothing(t *testing.T) {
	t.Parallel()
	body := TokenPrefix + strings.Repeat("A", secretLength)
	token := body + checked(body)
	if !WellFormed(token) {
		t.Error("it is not recognised: it would be sent on to upstreams")
	}
	if _, err := refOf(token); !errors.Is(err, ErrOutdated) || !errors.Is(err, ErrInvalid) {
		t.Errorf("%v", err)
	}
}

func TestNoRandomnessIsAnError(t *testing.T) {
	t.Parallel()
	if token, err := newToken(bytes.NewReader(make([]byte, tokenBytes-1)), Handle("u-1")); err == nil {
		t.Errorf("token %q", token)
	}
}

func FuzzWellFormed(f *testing.F) {
	f.Add("")
	f.Add(TokenPrefix)
	f.Add(spare())
	f.Add(draw(f))
	f.Fuzz(func(t *testing.T, text string) {
		if !WellFormed(text) {
			return
		}
		key, err := refOf(text)
		if errors.Is(err, ErrOutdated) && len(text) == firstTokenLength {
			return
		}
		if err != nil || len(key.id) != 32 {
			t.Errorf("%q is well-formed, and its id is %q (%v)", text, key.id, err)
		}
		if len(text) != TokenLength || checked(text[:secretEnd]) != text[secretEnd:] {
			t.Errorf("%q passes for a token", text)
		}
	})
}

func checked(body string) string {
	sum := checksum([]byte(body))
	return string(sum[:])
}
