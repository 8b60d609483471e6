package audit

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"golang.org/x/mod/sumdb/note"

	"gatehouse/authz/secret"
)

// maxName bounds the name of a log, in bytes.
const maxName = 256

// GenerateKey makes a signing key (Ed25519) for a log of the given name, which
// becomes the origin line of its checkpoints: by convention a URL without its
// scheme (C2SP tlog-checkpoint). The second value is the verifier's key.
func GenerateKey(name string) (signer secret.Value, verifier string, err error) {
	if err := checkName(name); err != nil {
		return secret.Value{}, "", err
	}
	skey, vkey, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		return secret.Value{}, "", fmt.Errorf("make a signing key: %w", err)
	}
	return secret.New([]byte(skey)), vkey, nil
}

func checkName(name string) error {
	if name == "" || len(name) > maxName || strings.ContainsFunc(name, func(r rune) bool { return r == '+' || unicode.IsSpace(r) || !unicode.IsPrint(r) }) {
		return fmt.Errorf("%.40q cannot name a log: write 1 to %d characters such as audit.example.com/gatehouse, without spaces and \"+\"", name, maxName)
	}
	return nil
}

var errKey = errors.New("the audit log's signing key cannot be read: it begins with PRIVATE+KEY+; make one with `gatehouse audit keygen`")

// signer reads a signing key. The key is in none of the errors.
// Signer signs notes with the key (C2SP signed-note).
func Signer(key secret.Value) (note.Signer, error) {
	if key.Empty() {
		return nil, errors.New("the audit log has no signing key: make one with `gatehouse audit keygen` and set GATEHOUSE_AUDIT_KEY_FILE to its path")
	}
	s, err := note.NewSigner(strings.TrimSpace(key.RevealString()))
	if err != nil {
		return nil, errKey
	}
	return s, nil
}

// Verifier returns the public half of a signing key, as `audit verify --key`
// reads it.
func Verifier(key secret.Value) (string, error) {
	s, err := Signer(key)
	if err != nil {
		return "", err
	}
	// PRIVATE+KEY+name+hash+base64(algorithm, seed); base64 may hold a "+".
	parts := strings.SplitN(strings.TrimSpace(key.RevealString()), "+", 5)
	data, err := base64.StdEncoding.DecodeString(parts[len(parts)-1])
	if err != nil || len(data) != 1+ed25519.SeedSize {
		return "", errKey
	}
	public, ok := ed25519.NewKeyFromSeed(data[1:]).Public().(ed25519.PublicKey)
	if !ok {
		return "", errKey
	}
	text, err := note.NewEd25519VerifierKey(s.Name(), public)
	if err != nil {
		return "", fmt.Errorf("make the verifier's key: %w", err)
	}
	return text, nil
}

// verifier is what checkpoints of a signing key are checked with.
func verifier(key secret.Value) (note.Verifier, error) {
	text, err := Verifier(key)
	if err != nil {
		return nil, err
	}
	return note.NewVerifier(text)
}
