package seal

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"gatehouse/authz/event/box"
	"gatehouse/authz/secret"
)

// MasterKeyName is the name of the secret; its file is named by
// GATEHOUSE_MASTER_KEY_FILE.
const MasterKeyName = "GATEHOUSE_MASTER_KEY"

// Master wraps the keys of subjects. The zero Master is none.
type Master struct {
	id  string
	key secret.Value
}

// ParseMaster reads a master key of 32 bytes, written in hexadecimal or base64,
// with either alphabet (RFC 4648) and with or without padding.
func ParseMaster(text secret.Value) (Master, error) {
	key, err := decodeKey(strings.TrimSpace(text.RevealString()))
	if err != nil {
		return Master{}, err
	}
	// The id is derived from the key and tells nothing about it (RFC 5869).
	id, err := hkdf.Key(sha256.New, key, nil, "gatehouse/master-key/id/v1", 8)
	if err != nil {
		return Master{}, fmt.Errorf("derive the master key's id: %w", err)
	}
	return Master{id: hex.EncodeToString(id), key: secret.New(key)}, nil
}

var errMasterForm = errors.New("secret " + MasterKeyName + ": it must be 32 random bytes in hexadecimal or base64: make one with `openssl rand -base64 32`")

func decodeKey(text string) ([]byte, error) {
	var key []byte
	var err error
	if len(text) == hex.EncodedLen(box.KeySize) {
		key, err = hex.DecodeString(text)
	} else {
		text = strings.NewReplacer("+", "-", "/", "_").Replace(strings.TrimRight(text, "="))
		key, err = base64.RawURLEncoding.DecodeString(text)
	}
	if err != nil || len(key) != box.KeySize {
		return nil, errMasterForm // err would repeat a part of the key
	}
	return key, nil
}

// ID names the key: 16 hexadecimal digits. Empty for none.
func (m Master) ID() string { return m.id }

// wrap encrypts a key for one name.
func (m Master) wrap(name string, key []byte) ([]byte, error) {
	return box.Seal(m.key.Reveal(), key, wrapPurpose+name)
}

func (m Master) unwrap(name string, wrapped []byte) ([]byte, error) {
	key, err := box.Open(m.key.Reveal(), wrapped, wrapPurpose+name)
	if err != nil {
		return nil, fmt.Errorf("the key of %s does not open under the master key %s: give the one that it was made under, or the one that it was rotated to: %w", name, m.id, err)
	}
	return key, nil
}

const wrapPurpose = "gatehouse/subject-key/v1\x00"
