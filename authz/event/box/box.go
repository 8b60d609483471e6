// Package box encrypts a few readable fields under a key that somebody else
// keeps.
//
// It promises that a box tells nothing without its key but its length to the
// next 64 bytes, that it opens only under the same key and for the same purpose
// (the associated data), and that a change of any bit is noticed. Each box has
// an AES-256-GCM key and nonce of its own (NIST SP 800-38D), derived by
// HKDF-SHA-256 (RFC 5869) from the key and 16 random bytes: one key may make as
// many boxes as a busy month needs, where random nonces under the key itself
// would be spent after 2^32.
//
// It does not keep, make or wipe keys, and does not say who may open a box.
package box

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
)

// KeySize of a box's key, in bytes.
const KeySize = 32

const (
	saltSize  = 16
	nonceSize = 12
	tagSize   = 16
	padTo     = 64 // fields are filled up to a multiple of it
	label     = "gatehouse/box/v1"
)

// ErrClosed says that a box does not open: another key, another purpose, or
// changed bytes; which of them, AES-GCM does not tell.
var ErrClosed = errors.New("the sealed text does not open")

// Seal encrypts plain for one purpose. The error is a key of the wrong size.
func Seal(key, plain []byte, purpose string) ([]byte, error) {
	salt := make([]byte, saltSize, saltSize+len(plain)+tagSize)
	_, _ = rand.Read(salt) // never fails: it ends the process instead
	aead, nonce, err := derive(key, salt)
	if err != nil {
		return nil, err
	}
	return aead.Seal(salt, nonce, plain, []byte(purpose)), nil
}

// Open decrypts what Seal has made, or is ErrClosed.
func Open(key, sealed []byte, purpose string) ([]byte, error) {
	if len(sealed) < saltSize+tagSize {
		return nil, ErrClosed
	}
	aead, nonce, err := derive(key, sealed[:saltSize])
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, nonce, sealed[saltSize:], []byte(purpose))
	if err != nil {
		return nil, ErrClosed
	}
	return plain, nil
}

func derive(key, salt []byte) (aead cipher.AEAD, nonce []byte, err error) {
	if len(key) != KeySize {
		return nil, nil, fmt.Errorf("a key of %d bytes: it must have %d", len(key), KeySize)
	}
	derived, err := hkdf.Key(sha256.New, key, salt, label, KeySize+nonceSize)
	if err != nil {
		return nil, nil, fmt.Errorf("derive the key of a box: %w", err)
	}
	block, err := aes.NewCipher(derived[:KeySize])
	if err != nil {
		return nil, nil, fmt.Errorf("make the cipher of a box: %w", err)
	}
	if aead, err = cipher.NewGCM(block); err != nil {
		return nil, nil, fmt.Errorf("make the cipher of a box: %w", err)
	}
	return aead, derived[KeySize:], nil
}

// SealFields is Seal for names and values. Their length is hidden to the next 64
// bytes: that of a name says much about whose it is.
func SealFields(key []byte, fields map[string]string, purpose string) ([]byte, error) {
	text, err := json.Marshal(fields)
	if err != nil {
		return nil, fmt.Errorf("write the fields to seal: %w", err)
	}
	// JSON may be followed by white space (RFC 8259, section 2).
	text = append(text, bytes.Repeat([]byte(" "), padTo-1-(len(text)-1)%padTo)...)
	return Seal(key, text, purpose)
}

// OpenFields opens what SealFields has made, or is ErrClosed.
func OpenFields(key, sealed []byte, purpose string) (map[string]string, error) {
	text, err := Open(key, sealed, purpose)
	if err != nil {
		return nil, err
	}
	var fields map[string]string
	if err := json.Unmarshal(text, &fields); err != nil {
		return nil, fmt.Errorf("%w: what is inside are no fields", ErrClosed)
	}
	return fields, nil
}
