package session

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
)

// TokenPrefix makes a leaked token recognisable to people and secret scanners.
const TokenPrefix = "ghs_"

const (
	tokenBytes    = 32
	secretLength  = 43 // base64url of 32 bytes, unpadded (RFC 4648 section 5)
	checkLength   = 6
	secretEnd     = len(TokenPrefix) + secretLength
	checkAlphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// TokenLength is the length of every token in bytes.
const TokenLength = secretEnd + checkLength

// id is the SHA-256 of a token in lower-case hex: all of it that is stored.
type id string

// newToken draws a token from random.
func newToken(random io.Reader) (string, error) {
	var secret [tokenBytes]byte
	if _, err := io.ReadFull(random, secret[:]); err != nil {
		return "", fmt.Errorf("draw a session token: %w", err)
	}
	body := TokenPrefix + base64.RawURLEncoding.EncodeToString(secret[:])
	return body + checksum(body), nil
}

// checksum is the CRC-32 (IEEE) of the rest of the token in base 62. It is no
// protection: it tells a token from text that only looks like one, without a
// question to Redis.
func checksum(body string) string {
	n := crc32.ChecksumIEEE([]byte(body))
	var digits [checkLength]byte
	for i := checkLength - 1; i >= 0; i-- {
		digits[i] = checkAlphabet[n%uint32(len(checkAlphabet))]
		n /= uint32(len(checkAlphabet))
	}
	return string(digits[:])
}

// WellFormed says whether text is a token by its form: prefix, alphabet, length
// and checksum. Whether a session goes with it is for Lookup to say.
func WellFormed(text string) bool {
	if len(text) != TokenLength || !strings.HasPrefix(text, TokenPrefix) {
		return false
	}
	var secret [tokenBytes]byte
	// Strict: the last character's two spare bits are zero, so that one secret
	// has one spelling.
	n, err := base64.RawURLEncoding.Strict().Decode(secret[:], []byte(text[len(TokenPrefix):secretEnd]))
	return err == nil && n == tokenBytes && text[secretEnd:] == checksum(text[:secretEnd])
}

func idOf(token string) (id, error) {
	if !WellFormed(token) {
		return "", ErrMalformed
	}
	sum := sha256.Sum256([]byte(token))
	return id(hex.EncodeToString(sum[:])), nil
}

func (i id) key() string { return "gh:s:" + string(i) }

// publicLength is the length of Session.ID: 64 bits are plenty within one user.
const publicLength = 16

func (i id) public() string { return string(i[:publicLength]) }

func userKey(userID string) string {
	sum := sha256.Sum256([]byte(userID))
	return "gh:u:" + hex.EncodeToString(sum[:])
}
