package login

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
	"golang.org/x/sync/semaphore"

	passwords "gatehouse/authz/login/password"
)

// Bounds of a password: at least so many code points after NFKC, and at most so
// many bytes of UTF-8 (NIST SP 800-63B-4 section 3.1.1.2 asks for a minimum of 8
// and to allow at least 64 characters). Nothing is cut off.
const (
	MinPassword = passwords.LeastMinLength
	MaxPassword = passwords.MaxBytes
)

// ErrPassword says that a password is too short or too long, or no text.
var ErrPassword = fmt.Errorf("a password has at least %d characters and at most %d bytes of UTF-8", MinPassword, MaxPassword)

// canonical is the form in which a password is hashed.
func canonical(text string) (string, bool) {
	normal, ok := passwords.Normalize(text)
	return normal, ok && utf8.RuneCountInString(normal) >= MinPassword
}

// ErrBusy says that too many sign-ins are being checked at this moment.
var ErrBusy = errors.New("too many passwords are being checked")

// DefaultHashMemoryKiB lets four passwords of the default costs be checked at
// once.
const DefaultHashMemoryKiB = 4 * 19 * 1024

// hashWait is how long a check waits for its memory before it is ErrBusy.
const hashWait = 2 * time.Second

// Hasher hashes and checks passwords within a fixed amount of memory. It is safe
// for concurrent use.
type Hasher struct {
	params Params
	memory *semaphore.Weighted
	total  int64
	wait   time.Duration
	dummy  string
	derive deriveFunc
}

type deriveFunc func(password, salt []byte, p Params, length int) []byte

func argon2id(password, salt []byte, p Params, length int) []byte {
	return argon2.IDKey(password, salt, p.Passes, p.MemoryKiB, p.Lanes, uint32(length)) // #nosec G115 -- at most maxKeyBytes
}

// NewHasher returns a Hasher for new hashes of these costs. All checks that run
// at once use at most memoryKiB together (a single one that needs more runs
// alone).
func NewHasher(params Params, memoryKiB int64) *Hasher { return newHasher(params, memoryKiB, argon2id) }

func newHasher(params Params, memoryKiB int64, derive deriveFunc) *Hasher {
	return &Hasher{
		params: params, memory: semaphore.NewWeighted(memoryKiB), total: memoryKiB,
		wait: hashWait, derive: derive,
		// Nobody knows the password of this one, as its key is random.
		dummy: hash{params: params, salt: random(newSaltBytes), key: random(newKeyBytes)}.String(),
	}
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails: it ends the process instead
	return b
}

// HashPassword returns the PHC string of password with the default costs, for
// commands; a server uses a Hasher. The error is ErrPassword.
func HashPassword(password string) (string, error) {
	return NewHasher(defaultParams, DefaultHashMemoryKiB).Hash(context.Background(), password)
}

// Hash returns the PHC string of password. The error is ErrPassword or ErrBusy.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	password, ok := canonical(password)
	if !ok {
		return "", ErrPassword
	}
	made := hash{params: h.params, salt: random(newSaltBytes)}
	var err error
	made.key, err = h.run(ctx, password, made, newKeyBytes)
	if err != nil {
		return "", err
	}
	return made.String(), nil
}

// Check is what Verify found.
type Check struct {
	OK bool
	// Outdated says that the hash has other costs than new ones: store a new one
	// while the password is at hand.
	Outdated bool
}

// Verify checks password against a PHC string. The error is ErrHash or ErrBusy.
func (h *Hasher) Verify(ctx context.Context, password, phc string) (Check, error) {
	if normal, ok := canonical(password); ok {
		password = normal
	}
	stored, err := parseHash(phc)
	if err != nil {
		return Check{}, err
	}
	key, err := h.run(ctx, password, stored, len(stored.key))
	if err != nil {
		return Check{}, err
	}
	return Check{
		OK:       subtle.ConstantTimeCompare(key, stored.key) == 1,
		Outdated: stored.params != h.params || len(stored.key) != newKeyBytes,
	}, nil
}

// Waste does what Verify does for a wrong password, for names that nobody has.
func (h *Hasher) Waste(ctx context.Context, password string) error {
	_, err := h.Verify(ctx, password, h.dummy)
	return err
}

func (h *Hasher) run(ctx context.Context, password string, with hash, length int) ([]byte, error) {
	need := min(int64(with.params.MemoryKiB), h.total)
	waiting, cancel := context.WithTimeout(ctx, h.wait)
	defer cancel()
	if err := h.memory.Acquire(waiting, need); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBusy, err)
	}
	defer h.memory.Release(need)
	return h.derive([]byte(password), with.salt, with.params, length), nil
}

// noPassword begins the salt of a hash that is of no password.
const noPassword = "gh:nopassword"

// NoPassword is the hash of a password that nobody knows: of a user who signs in
// in other ways, or has to choose one by a reset. It costs what every other one
// does.
func NoPassword() string {
	salt := append([]byte(noPassword), random(newSaltBytes-len(noPassword))...)
	return hash{params: defaultParams, salt: salt, key: random(newKeyBytes)}.String()
}

// HasPassword says whether the user has one that somebody can know. Hashes that
// NoPassword wrote before it marked them count as one.
func (u User) HasPassword() bool {
	h, err := parseHash(u.PasswordHash)
	return err == nil && !bytes.HasPrefix(h.salt, []byte(noPassword))
}

// CheckHash says what is wrong with a hash from elsewhere. ErrHash.
func CheckHash(phc string) error {
	_, err := parseHash(phc)
	return err
}
