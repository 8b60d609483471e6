package api

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
)

// An answer may name people. It is kept sealed under a key that is made of the
// Idempotency-Key, which the store never sees: only who sends the key again
// can open it (HKDF, RFC 5869; AES-256-GCM with a random nonce).

func answerCipher(key, id string) (cipher.AEAD, error) {
	derived, err := hkdf.Key(sha256.New, []byte(key), []byte(id), "gatehouse/api/answer", 32)
	if err != nil {
		return nil, fmt.Errorf("derive an answer's key: %w", err)
	}
	block, err := aes.NewCipher(derived)
	if err != nil {
		return nil, fmt.Errorf("derive an answer's key: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("derive an answer's key: %w", err)
	}
	return aead, nil
}

func sealAnswer(key, id string, text []byte) ([]byte, error) {
	aead, err := answerCipher(key, id)
	if err != nil {
		return nil, err
	}
	// #nosec G407 -- there is no nonce here: this AEAD draws its own
	return aead.Seal(nil, nil, text, []byte(id)), nil
}

func openAnswer(key, id string, sealed []byte) ([]byte, error) {
	aead, err := answerCipher(key, id)
	if err != nil {
		return nil, err
	}
	text, err := aead.Open(nil, nil, sealed, []byte(id))
	if err != nil {
		return nil, fmt.Errorf("open a kept answer: %w", err)
	}
	return text, nil
}
