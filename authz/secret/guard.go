package secret

import (
	"hash/maphash"
	"strings"
	"sync"
	"time"

	"gatehouse/authz/internal/clip"
)

// Detection is a secret found where none belongs. It never holds the secret.
type Detection struct {
	Rule string
	// Place is where it was found: "log attribute error", "environment variable
	// AWS_SECRET_ACCESS_KEY".
	Place string
	// Count is 1, and those of the same rule that were not reported since the
	// last.
	Count int
}

const (
	// quietFor is how long a rule that has been reported is not reported again.
	quietFor = time.Minute
	// maxWaiting bounds the detections that wait for somebody to hear of them.
	maxWaiting = 64
	// maxRules bounds the rules that are told apart.
	maxRules = 1024
	maxPlace = 128
)

// Guard takes secrets out of text that others wrote and reports that they were
// there. A nil *Guard does neither. It is safe for concurrent use.
type Guard struct {
	finder Finder
	now    func() time.Time

	mu        sync.Mutex
	rules     map[string]*seen
	listeners []*func(Detection)
	waiting   []Detection

	clean remembered
}

// seen is what is known about a rule.
type seen struct {
	reported time.Time
	untold   int
}

// NewGuard makes a Guard; now may be nil.
func NewGuard(f Finder, now func() time.Time) *Guard {
	if now == nil {
		now = time.Now
	}
	return &Guard{finder: f, now: now, rules: map[string]*seen{}, clean: newRemembered()}
}

// Finder is what the Guard finds with; nil if it is nil.
func (g *Guard) Finder() Finder {
	if g == nil {
		return nil
	}
	return g.finder
}

// Clean returns text without its secrets, in the place of each its Mark, and
// reports them. Text that a former call found clean costs next to nothing.
func (g *Guard) Clean(place, text string) string {
	if g == nil || !disordered(text) || g.clean.has(text) {
		return text
	}
	clean, rules := g.look(text)
	for _, rule := range rules {
		g.Report(rule, place)
	}
	if len(rules) == 0 && clean == text {
		g.clean.add(text)
	}
	return clean
}

// passes bounds how often text is looked at again after something was taken out
// of it, which may uncover what lay beneath.
const passes = 3

// look is redact for a rule that may fail over a text: then nobody knows what is
// in it.
func (g *Guard) look(text string) (clean string, rules []string) {
	defer func() {
		if recover() != nil {
			clean = Unscanned
		}
	}()
	return redact(g.finder, text)
}

// Hurry is Clean where there is no time to look: text that Clean would look at
// is replaced by Unscanned.
func (g *Guard) Hurry(text string) string {
	if g == nil || !disordered(text) || g.clean.has(text) {
		return text
	}
	return Unscanned
}

func redact(f Finder, text string) (clean string, rules []string) {
	if plain, ok := unescaped(text); ok {
		if clean, rules := redactPlain(f, plain); len(rules) > 0 {
			return clean, rules
		}
	}
	return redactPlain(f, text)
}

func redactPlain(f Finder, text string) (clean string, rules []string) {
	for range passes {
		found := f.Find(lookAt(text))
		if len(found) == 0 {
			return text, rules
		}
		before := text
		for _, hit := range found {
			rules = append(rules, hit.Rule)
			text = strings.ReplaceAll(text, hit.Secret.RevealString(), Mark(hit.Rule))
		}
		if text == before {
			return Mark(found[0].Rule), rules // it is there, encoded
		}
	}
	if found := f.Find(lookAt(text)); len(found) > 0 {
		return Mark(found[0].Rule), rules
	}
	return text, rules
}

// shortest is the length of the shortest secret that a rule knows by its form.
const shortest = 10

// disordered says whether text has a word that is long enough for a secret and
// holds both letters and digits, which all forms of secrets do nearly surely.
// A UUID and a number are none.
func disordered(text string) bool {
	for start := 0; start < len(text); {
		for start < len(text) && !ofSecret[text[start]] {
			start++
		}
		end, letters, digits := start, false, false
		for end < len(text) && ofSecret[text[end]] {
			c := text[end]
			digits = digits || ('0' <= c && c <= '9')
			letters = letters || ('a' <= c|0x20 && c|0x20 <= 'z')
			end++
		}
		if letters && digits && end-start >= shortest && !isUUID(text[start:end]) {
			return true
		}
		start = end
	}
	return false
}

// ofSecret are the characters that secrets are made of.
var ofSecret = characters("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=.~$%")

func characters(all string) (table [256]bool) {
	for i := range len(all) {
		table[all[i]] = true
	}
	return table
}

func isUUID(word string) bool {
	if len(word) != 36 {
		return false
	}
	for i := range len(word) {
		switch c := word[i]; {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return false
			}
		case !('0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f'):
			return false
		}
	}
	return true
}

// Report tells of a secret in a place, at most once a minute and rule; the rest
// is counted. It never waits.
func (g *Guard) Report(rule, place string) {
	if g == nil {
		return
	}
	d, tell := g.due(rule, clip.Text(Scrub(place), maxPlace))
	if !tell {
		return
	}
	g.mu.Lock()
	if len(g.listeners) == 0 {
		if len(g.waiting) < maxWaiting {
			g.waiting = append(g.waiting, d)
		}
		g.mu.Unlock()
		return
	}
	listener := *g.listeners[0]
	g.mu.Unlock()
	listener(d) // outside the lock: it may log, and what it logs may be reported
}

func (g *Guard) due(rule, place string) (Detection, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.rules[rule]
	if s == nil {
		if len(g.rules) >= maxRules {
			return Detection{}, false
		}
		s = &seen{}
		g.rules[rule] = s
	}
	now := g.now()
	s.untold++
	if !s.reported.IsZero() && now.Sub(s.reported) < quietFor {
		return Detection{}, false
	}
	d := Detection{Rule: rule, Place: place, Count: s.untold}
	s.reported, s.untold = now, 0
	return d, true
}

// Listen has to called for each Detection, also for those from before. Of
// several listeners the first hears of them; the next takes over when it stops.
// to must not wait.
func (g *Guard) Listen(to func(Detection)) (stop func()) {
	if g == nil {
		return func() {}
	}
	listener := &to
	g.mu.Lock()
	g.listeners = append(g.listeners, listener)
	waiting := g.waiting
	g.waiting = nil
	g.mu.Unlock()
	for _, d := range waiting {
		to(d)
	}
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		for i, l := range g.listeners {
			if l == listener {
				g.listeners = append(g.listeners[:i:i], g.listeners[i+1:]...)
				return
			}
		}
	}
}

// remembered is a bounded set of texts, kept as hashes under a key of its own,
// so that nobody outside can make one text pass for another.
type remembered struct {
	seed maphash.Seed
	mu   *sync.Mutex
	set  map[uint64]struct{}
}

const maxRemembered = 8192

func newRemembered() remembered {
	return remembered{seed: maphash.MakeSeed(), mu: &sync.Mutex{}, set: map[uint64]struct{}{}}
}

func (r *remembered) has(text string) bool {
	key := maphash.String(r.seed, text)
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.set[key]
	return ok
}

// add forgets everything when the set is full: what recurs is back at once.
func (r *remembered) add(text string) {
	key := maphash.String(r.seed, text)
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.set) >= maxRemembered {
		clear(r.set)
	}
	r.set[key] = struct{}{}
}
