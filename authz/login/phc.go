package login

import (
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strconv"

	"golang.org/x/crypto/argon2"
)

// Params are the costs of argon2id (RFC 9106 section 3.1).
type Params struct {
	MemoryKiB uint32
	Passes    uint32
	Lanes     uint8
}

// defaultParams are OWASP's least recommended: 19 MiB, two passes, one lane.
var defaultParams = Params{MemoryKiB: 19 * 1024, Passes: 2, Lanes: 1}

// DefaultParams returns the costs of new hashes.
func DefaultParams() Params { return defaultParams }

// What a stored hash may ask for. A hash from elsewhere must not be able to
// exhaust the memory, or the time, of whoever checks it.
const (
	maxMemoryKiB  = 256 << 10
	maxPasses     = 16
	maxLanes      = 8
	minSaltBytes  = 8
	maxSaltBytes  = 64
	minKeyBytes   = 16
	maxKeyBytes   = 64
	newSaltBytes  = 16
	newKeyBytes   = 32
	maxHashLength = 256
)

// ErrHash is in the chain of the error about a stored hash that cannot be used.
var ErrHash = errors.New("unusable password hash")

type hash struct {
	params    Params
	salt, key []byte
}

// phcForm is the PHC string format as the argon2 reference writes it. Decimals
// have no leading zeros; the base64 is standard, unpadded.
var phcForm = regexp.MustCompile(
	`^\$argon2id\$v=(\d{1,3})\$m=([1-9]\d{0,9}),t=([1-9]\d{0,9}),p=([1-9]\d{0,2})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$`)

func parseHash(text string) (hash, error) {
	if len(text) > maxHashLength {
		return hash{}, fmt.Errorf("%w: longer than %d bytes", ErrHash, maxHashLength)
	}
	m := phcForm.FindStringSubmatch(text)
	if m == nil {
		return hash{}, fmt.Errorf("%w: not of the form $argon2id$v=19$m=..,t=..,p=..$salt$key", ErrHash)
	}
	if m[1] != strconv.Itoa(argon2.Version) {
		return hash{}, fmt.Errorf("%w: version %s", ErrHash, m[1])
	}
	memory, passes, lanes := number(m[2]), number(m[3]), number(m[4])
	if memory < 8*lanes || memory > maxMemoryKiB || passes > maxPasses || lanes > maxLanes {
		return hash{}, fmt.Errorf("%w: m=%d,t=%d,p=%d is out of bounds", ErrHash, memory, passes, lanes)
	}
	h := hash{params: Params{MemoryKiB: uint32(memory), Passes: uint32(passes), Lanes: uint8(lanes)}} // #nosec G115 -- bounded above
	var err error
	if h.salt, err = decode(m[5], minSaltBytes, maxSaltBytes); err != nil {
		return hash{}, fmt.Errorf("%w: salt: %w", ErrHash, err)
	}
	if h.key, err = decode(m[6], minKeyBytes, maxKeyBytes); err != nil {
		return hash{}, fmt.Errorf("%w: key: %w", ErrHash, err)
	}
	return h, nil
}

// number reads what phcForm has let through: at most ten digits.
func number(digits string) uint64 {
	n, _ := strconv.ParseUint(digits, 10, 64)
	return n
}

func decode(text string, least, most int) ([]byte, error) {
	b, err := base64.RawStdEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, err
	}
	if len(b) < least || len(b) > most {
		return nil, fmt.Errorf("%d bytes, want %d to %d", len(b), least, most)
	}
	return b, nil
}

func (h hash) String() string {
	encode := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s",
		argon2.Version, h.params.MemoryKiB, h.params.Passes, h.params.Lanes, encode(h.salt), encode(h.key))
}
