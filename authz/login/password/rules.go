// Package password says which passwords may be set.
//
// It promises the rules of NIST SP 800-63B-4 section 3.1.1.2 and OWASP ASVS 5.0
// V6.2, and no others: a password counts in code points after NFKC, has a least
// length, is never cut off, and is neither a word of its context, nor one of the
// most frequent, nor on a list of compromised ones; which characters it has is nobody's business. Each
// refusal says why. The list is a local one in the layout of Have I Been Pwned,
// read where it lies with one search a password: nothing leaves the machine, and
// memory does not grow with the list. A list that cannot be read is an error, and
// never a password that passes.
//
// It does not hash or check passwords: login.Hasher does.
package password

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Bounds of lengths, in code points.
const (
	// LeastMinLength is below what no Rules may go (ASVS 5.0 6.2.1).
	LeastMinLength = 8
	// RecommendedMinLength is what both standards recommend for a password that
	// is used without a second factor.
	RecommendedMinLength = 15
	// LeastMaxLength must be allowed at least (ASVS 5.0 6.2.9).
	LeastMaxLength = 64
	// MaxLength is the longest password.
	MaxLength = 256
	// MaxBytes bounds what is normalised at all.
	MaxBytes = 1024
)

// What is wrong with a password. Each is in the chain of a Check error, whose
// text is for the person who chose it.
var (
	ErrText        = errors.New("the password is no valid text")
	ErrShort       = errors.New("the password is too short")
	ErrLong        = errors.New("the password is too long")
	ErrContext     = errors.New("the password is a word that one guesses here")
	ErrCompromised = errors.New("the password is on a list of passwords that became known")
)

// ErrUnavailable says that the list cannot be asked: nothing is known of the
// password.
var ErrUnavailable = errors.New("the list of compromised passwords cannot be read")

// Normalize is the form in which a password counts, is hashed and is compared:
// NFKC (NIST SP 800-63B-4 section 3.1.1.2), so that it is the same on every
// keyboard. It is false for what is no UTF-8 or above MaxBytes.
func Normalize(password string) (string, bool) {
	if len(password) > MaxBytes || !utf8.ValidString(password) {
		return "", false
	}
	normal := norm.NFKC.String(password)
	return normal, len(normal) <= MaxBytes
}

// List says whether a password is known to be compromised.
type List interface {
	Contains(ctx context.Context, password string) (bool, error)
}

// Rules of new passwords; the zero value has the least length, and no list but
// that of the most frequent.
type Rules struct {
	MinLength int      // code points; less than LeastMinLength counts as that
	Words     []string // names of the organisation, the product, the site
	List      List     // nil: none
}

// Check says what is wrong with a password that the user called name wants, or
// nil. The password is normalised already.
func (r Rules) Check(ctx context.Context, password, name string) error {
	n := utf8.RuneCountInString(password)
	least := max(r.MinLength, LeastMinLength)
	switch {
	case !utf8.ValidString(password):
		return ErrText
	case n < least:
		return fmt.Errorf("%w: it has %d characters, and needs %d", ErrShort, n, least)
	case n > MaxLength:
		return fmt.Errorf("%w: it has %d characters, and may have %d", ErrLong, n, MaxLength)
	case r.guessable(password, name):
		return ErrContext
	case isCommon(password):
		return ErrCompromised
	case r.List == nil:
		return nil
	}
	found, err := r.List.Contains(ctx, password)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if found {
		return ErrCompromised
	}
	return nil
}

// guessable compares the whole password, not parts of it: a long one may well
// contain the name of the site. What surrounds words in digits and punctuation,
// and saying several of them, makes no difference.
func (r Rules) guessable(password, name string) bool {
	rest := core(password)
	if rest == "" {
		return repeats(password)
	}
	words := append(slices.Clone(r.Words), name)
	words = slices.AppendSeq(words, strings.FieldsFuncSeq(name, func(c rune) bool { return strings.ContainsRune(filler, c) }))
	slices.SortFunc(words, func(a, b string) int { return len(b) - len(a) })
	for _, word := range words {
		if w := core(norm.NFKC.String(word)); w != "" {
			rest = strings.ReplaceAll(rest, w, "")
		}
	}
	return strings.Trim(rest, filler) == "" || repeats(password)
}

const filler = "0123456789!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~ "

func core(text string) string { return strings.Trim(strings.ToLower(text), filler) }

// repeats says whether a password is one character only, or a straight run.
func repeats(password string) bool {
	letters := []rune(password)
	step := letters[1] - letters[0]
	if step < -1 || step > 1 {
		return false
	}
	for i := 1; i < len(letters); i++ {
		if letters[i]-letters[i-1] != step {
			return false
		}
	}
	return true
}
