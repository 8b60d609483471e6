package postgres

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"strings"
)

// A pseudonym is "p-" and, in base32, 10 bytes of a keyed hash of the value with
// 5 bytes of a keyed hash of these: so it is known for one when it is met again,
// and nobody can write a value that passes for one.
const (
	pseudonymPrefix = "p-"
	pseudonymHash   = 10
	pseudonymTag    = 5
	pseudonymLength = len(pseudonymPrefix) + (pseudonymHash+pseudonymTag)*8/5
)

var pseudonymText = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

func (c *Connector) hash(label string, data []byte, n int) []byte {
	mac := hmac.New(sha256.New, c.pseudonyms)
	mac.Write([]byte(label))
	mac.Write(data)
	return mac.Sum(nil)[:n]
}

// pseudonym is the same for the same value in all of the system, and stays as
// it is when it is made one again.
func (c *Connector) pseudonym(value string) string {
	if c.isPseudonym(value) {
		return value
	}
	hash := c.hash("value\x00", []byte(value), pseudonymHash)
	return pseudonymPrefix + pseudonymText.EncodeToString(append(hash, c.hash("tag\x00", hash, pseudonymTag)...))
}

func (c *Connector) isPseudonym(value string) bool {
	text, ok := strings.CutPrefix(value, pseudonymPrefix)
	raw, err := pseudonymText.DecodeString(text)
	if !ok || err != nil || len(value) != pseudonymLength || len(raw) != pseudonymHash+pseudonymTag {
		return false
	}
	return subtle.ConstantTimeCompare(raw[pseudonymHash:], c.hash("tag\x00", raw[:pseudonymHash], pseudonymTag)) == 1
}
