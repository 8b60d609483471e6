// Package apikey makes and reads the keys with which machines call.
//
// It promises 256 random bits, a prefix by which scanners for secrets find a
// leaked key, and a checksum by which they, and we, know a mistyped or invented
// one without asking anybody. What is stored of a key is its SHA-256, which with
// so many bits needs no salt and no slow hash. Scopes are texts that the routes
// give a meaning to.
package apikey

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"math/big"
	"slices"
	"strings"
	"time"
)

const (
	// Prefix begins every key.
	Prefix = "ghk_"
	// randomDigits of base 62 hold 256 bits, checkDigits hold a CRC-32.
	randomDigits = 43
	checkDigits  = 6
	// Length of a key in bytes.
	Length = len(Prefix) + randomDigits + checkDigits
	// MaxScopes and MaxScope bound what a key may do, as text.
	MaxScopes = 32
	MaxScope  = 64
	// MaxLife is the longest life of a key.
	MaxLife = 2 * 366 * 24 * time.Hour
)

// New returns a key, which exists nowhere but in the answer.
func New() string {
	raw := make([]byte, 32)
	_, _ = rand.Read(raw) // never fails: it ends the process instead
	body := base62(new(big.Int).SetBytes(raw), randomDigits)
	return Prefix + body + checksum(body)
}

func base62(n *big.Int, width int) string {
	const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	digits := make([]byte, width)
	base, digit := big.NewInt(int64(len(alphabet))), new(big.Int)
	n = new(big.Int).Set(n)
	for i := width - 1; i >= 0; i-- {
		n.DivMod(n, base, digit)
		digits[i] = alphabet[digit.Int64()]
	}
	return string(digits)
}

func checksum(body string) string {
	return base62(big.NewInt(int64(crc32.ChecksumIEEE([]byte(Prefix+body)))), checkDigits)
}

// Is says whether text has the form of a key, checksum included. That says
// nothing of whether there is such a key.
func Is(text string) bool {
	if len(text) != Length || !strings.HasPrefix(text, Prefix) {
		return false
	}
	for i := range len(text) - len(Prefix) {
		c := text[len(Prefix)+i]
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	body := text[len(Prefix) : len(Prefix)+randomDigits]
	return text[len(Prefix)+randomDigits:] == checksum(body)
}

// Hash is what is stored of a key, and what finds it.
func Hash(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}

// Scopes reads a list that is separated by spaces or commas, sorted and each
// once. A scope is a token of RFC 6749 section 3.3.
func Scopes(text string) ([]string, error) {
	scopes := strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == ',' })
	slices.Sort(scopes)
	scopes = slices.Compact(scopes)
	if len(scopes) > MaxScopes {
		return nil, fmt.Errorf("%d scopes: write at most %d", len(scopes), MaxScopes)
	}
	for _, s := range scopes {
		if len(s) > MaxScope || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' }) {
			return nil, fmt.Errorf("%.40q is no scope: write at most %d printable characters without quotes", s, MaxScope)
		}
	}
	return scopes, nil
}
