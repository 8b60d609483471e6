package opendsr

import (
	"crypto/md5"  // #nosec G501 -- section 5.2 has it; the data map warns
	"crypto/sha1" // #nosec G505 -- section 5.2 has it; the data map warns
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"gatehouse/control/privacy/connector"
)

// identities are those of the person's that the processor is told, in the forms
// that the data map names. Without any it could not know who is meant, so that
// is an error: an answer of "nothing here" would be a guess.
func (c *Connector) identities(p connector.Person) ([]identity, error) {
	wanted := c.system.Processor.Identities
	var out []identity
	for _, kind := range slices.Sorted(maps.Keys(wanted)) {
		for _, value := range p.Of(kind) {
			out = append(out, identity{Type: wanted[kind].Type, Value: formatted(kind, value, wanted[kind].Format), Format: wanted[kind].Format})
		}
	}
	if len(out) == 0 {
		return nil, c.fail("the person has none of the identities that the processor is told (%s): add one to the person, or ask the processor yourself and attest the step",
			strings.Join(slices.Sorted(maps.Keys(wanted)), ", "))
	}
	return out, nil
}

// formatted hashes an address as it is commonly written: in lower case.
func formatted(kind, value, format string) string {
	if kind == connector.Email && format != "raw" {
		value = strings.ToLower(strings.TrimSpace(value))
	}
	switch format {
	case "sha256":
		sum := sha256.Sum256([]byte(value))
		return hex.EncodeToString(sum[:])
	case "sha1":
		sum := sha1.Sum([]byte(value)) // #nosec G401 -- see the import
		return hex.EncodeToString(sum[:])
	case "md5":
		sum := md5.Sum([]byte(value)) // #nosec G401 -- see the import
		return hex.EncodeToString(sum[:])
	}
	return value
}

// orderID is the same for the same call (a lower-case UUIDv4 in form, section
// 7.1.1), so that a crash makes no second request of it. It tells nobody who the
// person is.
func (c *Connector) orderID(parts ...string) string {
	sum := c.mac([]byte(strings.Join(parts, "\x00")))
	sum[6] = sum[6]&0x0f | 0x40
	sum[8] = sum[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[0:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}
