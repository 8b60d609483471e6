package api

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"gatehouse/authz/secret"
)

const (
	// MinToken is the least length of a token in bytes: what 128 random bits
	// take in base64url, and more than anybody guesses.
	MinToken = 22
	// refreshEvery is how soon a token's file is looked at again.
	refreshEvery = time.Second
)

// TokenSetting is a program, or a person at a terminal, who calls with a token.
type TokenSetting struct {
	Name string
	Role Role
	File string // as authz/secret reads it
}

// tokens are those of gatehouse.yaml. Their files are read again while they
// are in use: a token that was replaced is valid no more, and one whose file
// cannot be read opens nothing.
type tokens struct {
	settings []TokenSetting
	now      func() time.Time
	log      *slog.Logger

	mu     sync.Mutex
	read   time.Time
	hashes [][sha256.Size]byte // zero where there is no token
	broken []string            // what was last said of each file
}

func newTokens(settings []TokenSetting, now func() time.Time, log *slog.Logger) *tokens {
	return &tokens{
		settings: settings, now: now, log: log,
		hashes: make([][sha256.Size]byte, len(settings)), broken: make([]string, len(settings)),
	}
}

// find compares with all tokens, whichever matches, in a time that says nothing
// about any of them.
func (t *tokens) find(text string) (TokenSetting, bool) {
	sum := sha256.Sum256([]byte(text))
	found := t.match(sum[:])
	if found < 0 {
		return TokenSetting{}, false
	}
	return t.settings[found], true
}

// holds says whether the token of that name still has that hash.
func (t *tokens) holds(name string, hash []byte) (TokenSetting, bool) {
	found := t.match(hash)
	if found < 0 || t.settings[found].Name != name {
		return TokenSetting{}, false
	}
	return t.settings[found], true
}

func (t *tokens) match(hash []byte) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.refresh()
	var none [sha256.Size]byte
	found := -1
	for i := range t.hashes {
		same := subtle.ConstantTimeCompare(t.hashes[i][:], hash) & (1 ^ subtle.ConstantTimeCompare(t.hashes[i][:], none[:]))
		found = subtle.ConstantTimeSelect(same, i, found)
	}
	return found
}

// refresh reads the files again if they were not read just now.
func (t *tokens) refresh() {
	now := t.now()
	if !t.read.IsZero() && now.Sub(t.read) < refreshEvery && !now.Before(t.read) {
		return
	}
	t.read = now
	for i, setting := range t.settings {
		hash, err := readToken(setting)
		t.hashes[i] = hash
		said := ""
		if err != nil {
			said = err.Error()
		}
		if said != "" && said != t.broken[i] {
			t.log.Error("a token of the API opens nothing until its file is mended", "token_name", setting.Name, "error", err)
		}
		t.broken[i] = said
	}
}

func readToken(setting TokenSetting) (hash [sha256.Size]byte, err error) {
	value, err := secret.File{Name: "token " + setting.Name, Path: setting.File}.Read()
	if err != nil {
		return hash, err
	}
	text := value.Reveal()
	if len(text) < MinToken {
		return hash, fmt.Errorf("token %s: file %s: %w", setting.Name, setting.File,
			errors.New("shorter than 22 characters: make one with: openssl rand -base64 32"))
	}
	return sha256.Sum256(text), nil
}
