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
	handleBytes   = 9
	handleLength  = 12 // base64url of 9 bytes
	checkLength   = 6
	secretStart   = len(TokenPrefix) + handleLength
	secretEnd     = secretStart + secretLength
	checkAlphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// TokenLength is the length of every token in bytes.
const TokenLength = secretEnd + checkLength

// firstTokenLength is that of the tokens of version 1, which had no handle.
const firstTokenLength = len(TokenPrefix) + secretLength + checkLength

// ref is what a token says without its secret: where its session is stored, and
// the raw SHA-256 of the token, which is all of it that is stored.
type ref struct {
	handle string
	id     string
}

// key is the hash of the user's sessions; the handle is its hash tag, so that
// all of a user shares a slot of a Cluster.
func (r ref) key() string { return keyOf(r.handle) }

func keyOf(handle string) string { return keyPrefix + handle + "}" }

const keyPrefix = "gh:u:{"

// Where says where in Redis the session of a token is: a field of a hash. It is
// for those who look after Redis; ErrMalformed or ErrOutdated.
func Where(token string) (key, field string, err error) {
	r, err := refOf(token)
	if err != nil {
		return "", "", err
	}
	return r.key(), r.id, nil
}

// Handle names a user's slot: the hash tag of the key that holds the user's
// sessions, for others who want their keys beside it. It is not secret, and not
// the user's id.
func Handle(userID string) string {
	sum := sha256.Sum256([]byte("gatehouse user\x00" + userID))
	return base64.RawURLEncoding.EncodeToString(sum[:handleBytes])
}

// HandleOf is the handle that a token names, of the user whose it claims to be;
// anybody can claim that. It is empty for what is no token.
func HandleOf(token string) string {
	if len(token) != TokenLength {
		return ""
	}
	return token[len(TokenPrefix):secretStart]
}

// newToken draws a token of that handle from random.
func newToken(random io.Reader, handle string) (string, error) {
	var secret [tokenBytes]byte
	if _, err := io.ReadFull(random, secret[:]); err != nil {
		return "", fmt.Errorf("draw a session token: %w", err)
	}
	body := TokenPrefix + handle + base64.RawURLEncoding.EncodeToString(secret[:])
	check := checksum([]byte(body))
	return body + string(check[:]), nil
}

// checksum is the CRC-32 (IEEE) of the rest of the token in base 62. It is no
// protection: it tells a token from text that only looks like one, without a
// question to Redis.
func checksum(body []byte) (digits [checkLength]byte) {
	n := crc32.ChecksumIEEE(body)
	for i := checkLength - 1; i >= 0; i-- {
		digits[i] = checkAlphabet[n%uint32(len(checkAlphabet))]
		n /= uint32(len(checkAlphabet))
	}
	return digits
}

// WellFormed says whether text is a token by its form: prefix, alphabet, length
// and checksum. Whether a session goes with it is for Lookup to say.
func WellFormed(text string) bool {
	if len(text) != TokenLength && len(text) != firstTokenLength || !strings.HasPrefix(text, TokenPrefix) {
		return false
	}
	end := len(text) - checkLength
	start := end - secretLength
	var room [TokenLength]byte // so that looking costs no memory
	raw := room[:copy(room[:], text)]
	var secret [tokenBytes]byte
	// Strict: the last character's two spare bits are zero, so that one secret
	// has one spelling. Decode passes over line breaks, which the count notices.
	n, err := base64.RawURLEncoding.Strict().Decode(secret[:], raw[start:end])
	if err != nil || n != tokenBytes {
		return false
	}
	n, err = base64.RawURLEncoding.Strict().Decode(secret[:], raw[len(TokenPrefix):start])
	check := checksum(raw[:end])
	return err == nil && n == base64.RawURLEncoding.DecodedLen(start-len(TokenPrefix)) && text[end:] == string(check[:])
}

func refOf(token string) (ref, error) {
	if !WellFormed(token) {
		return ref{}, ErrMalformed
	}
	if len(token) == firstTokenLength {
		return ref{}, ErrOutdated
	}
	var room [TokenLength]byte
	sum := sha256.Sum256(room[:copy(room[:], token)])
	return ref{handle: token[len(TokenPrefix):secretStart], id: string(sum[:])}, nil
}

// publicLength is the length of Session.ID: 64 bits are plenty within one user.
const publicLength = 2 * shortLength

// shortLength of an id's first bytes name a session within its user.
const shortLength = 8

func public(id string) string {
	var text [publicLength]byte
	hex.Encode(text[:], []byte(id[:shortLength]))
	return string(text[:])
}

// short reads a Session.ID back.
func short(sessionID string) (string, bool) {
	raw, err := hex.DecodeString(sessionID)
	return string(raw), err == nil && len(raw) == shortLength && strings.ToLower(sessionID) == sessionID
}
