package event

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"hash"
	"net/netip"
	"sync"
)

// MinPseudonymKey is the least length of a pseudonym key in bytes.
const MinPseudonymKey = 16

// Pseudonymizer replaces people's identifiers by keyed pseudonyms: HMAC-SHA-256
// cut to 128 bits. Without the key nobody can go from an identifier to its
// pseudonym or back; with it, one person has one pseudonym in all events.
// It is safe for concurrent use.
type Pseudonymizer struct {
	macs sync.Pool // of hash.Hash: the key is taken in once for many
}

// NewPseudonymizer returns a Pseudonymizer with a copy of key, which must have
// at least MinPseudonymKey bytes. Another key gives everybody another pseudonym.
func NewPseudonymizer(key []byte) (*Pseudonymizer, error) {
	if len(key) < MinPseudonymKey {
		return nil, fmt.Errorf("the pseudonym key has %d bytes: give it at least %d, such as the output of: openssl rand -base64 32",
			len(key), MinPseudonymKey)
	}
	key = bytes.Clone(key)
	return &Pseudonymizer{macs: sync.Pool{New: func() any { return hmac.New(sha256.New, key) }}}, nil
}

// Subject returns the pseudonym of a user id: "u:" and 22 base64url characters.
// Nobody ("") stays "".
func (p *Pseudonymizer) Subject(userID string) string { return p.pseudonym("u:", "subject", userID) }

// Name returns the pseudonym of a name that somebody typed and that belongs to
// no user: "n:" and 22 base64url characters. There are as many as somebody likes
// to type, so that it is nobody's subject and gets no key of its own.
func (p *Pseudonymizer) Name(name string) string { return p.pseudonym("n:", "name", name) }

// Client returns the pseudonym of an IP address: "c:" and 22 base64url
// characters; all spellings of an address have the same one.
func (p *Pseudonymizer) Client(ip string) string {
	if addr, err := netip.ParseAddr(ip); err == nil {
		ip = addr.Unmap().WithZone("").String()
	}
	return p.pseudonym("c:", "client", ip)
}

// pseudonym keeps the domains apart: a client never shares a pseudonym with a
// user whose id happens to be the same text.
func (p *Pseudonymizer) pseudonym(prefix, domain, text string) string {
	if text == "" {
		return ""
	}
	mac, _ := p.macs.Get().(hash.Hash)
	defer p.macs.Put(mac)
	mac.Reset()
	var buffer [256]byte
	message := append(append(append(append(buffer[:0], "gatehouse/pseudonym/"...), domain...), 0), text...)
	mac.Write(message)
	out := base64.RawURLEncoding.AppendEncode(append(buffer[:0], prefix...), mac.Sum(buffer[128:128])[:16])
	return string(out)
}
