package limit

import (
	"errors"
	"fmt"
	"time"
)

// Algorithm is a way to count, under its name in gatehouse.yaml.
type Algorithm string

// The algorithms; the package comment says what each one promises.
const (
	SlidingWindow Algorithm = "sliding_window"
	FixedWindow   Algorithm = "fixed_window"
	GCRA          Algorithm = "gcra"
	TwoBucket     Algorithm = "two_bucket"
	Quota         Algorithm = "quota"
	Concurrency   Algorithm = "concurrency"
)

// ErrUnavailable is in the chain of every error that says that Redis could not
// be asked, or not in time.
var ErrUnavailable = errors.New("limits cannot be counted")

// ErrSpec is in the chain of an error that says that a Request makes no sense.
var ErrSpec = errors.New("impossible limit")

// MaxWindow is the longest window.
const MaxWindow = 400 * 24 * time.Hour

// MaxRequests is the largest number that a limit counts to.
const MaxRequests = 1 << 40

// MaxLogged is the largest number that SlidingWindow counts to: it remembers
// each request.
const MaxLogged = 100_000

// Auto is the Lease of a replica that takes as many hits as it has been asked for
// lately: 4 to 1000, and a sixteenth of what is left at most.
const Auto = -1

// Spec says what is allowed.
type Spec struct {
	// Name appears in the RateLimit fields; it does not separate counters.
	Name      string
	Algorithm Algorithm // empty means SlidingWindow
	// Requests per Window, 0 to MaxRequests; 0 admits nothing. SlidingWindow
	// stores about 10 bytes for each, and goes to MaxLogged.
	Requests int64
	// Window is 1 ms to MaxWindow. Concurrency frees a place after it that nobody has
	// given back; Quota takes it from the Calendar.
	Window   time.Duration
	Calendar Calendar // of Quota
	// Burst is what GCRA admits at once after a rest; 0 means Requests.
	// GCRA's finest interval is 0.25 µs: rates above 4,000,000/s are cut to it.
	Burst int64

	ends int64 // of the Calendar's period, in µs
}

// Request is one limit that a call is counted against.
type Request struct {
	// Key separates counters; see Key.
	Key string
	// Slot, if set, separates them further, and is what decides where in a Cluster
	// the counter is: what has the same Slot is together. It is text as Key makes
	// it. Windows does not know it.
	Slot string
	Spec Spec
	Hits int64 // 0 means 1
	// Peek asks without counting: it is allowed while the limit is not exceeded.
	Peek bool
	// Lease is how many hits a replica takes from Redis at once to serve itself, while
	// the counter is hot; 0 means none, and Auto as many as it needs. Only Windows, for
	// fixed windows, and Slices know it.
	Lease int64
	// id names the places that a request of Concurrency takes; Prepare gives it.
	id string
	// Shadow limits are counted and reported, and never keep a call from being
	// counted against the others.
	Shadow bool
}

// Result is what became of one Request.
type Result struct {
	Name      string
	Algorithm Algorithm
	Limit     int64
	Window    time.Duration
	// Allowed says that this limit alone admits the call.
	Allowed   bool
	Remaining int64
	// Reset is the time until Remaining grows by itself; 0 if it is full.
	Reset time.Duration
	// RetryAfter is the time until the same call would be admitted; 0 if it is
	// allowed. For hits above the limit it is Window, though it never will be.
	RetryAfter time.Duration
	Shadow     bool
	// Hold is the place that was taken, of Concurrency; it is to be released.
	Hold Hold
}

// Admitted says whether every limit that is not a shadow admits the call.
func Admitted(results []Result) bool {
	for _, r := range results {
		if !r.Allowed && !r.Shadow {
			return false
		}
	}
	return true
}

func (s Spec) algorithm() Algorithm {
	if s.Algorithm == "" {
		return SlidingWindow
	}
	return s.Algorithm
}

// capacity is the most that can be admitted at one instant.
func (s Spec) capacity() int64 {
	if s.Algorithm == GCRA && s.Requests > 0 && s.Burst > 0 {
		return s.Burst
	}
	return s.Requests
}

func (r Request) hits() int64 {
	if r.Peek {
		return 0
	}
	if r.Hits == 0 {
		return 1
	}
	return r.Hits
}

func (r Request) validate() error {
	s := r.Spec
	switch {
	case r.Key == "":
		return fmt.Errorf("%w %q: its key is empty", ErrSpec, s.Name)
	case r.Hits < 0 || r.Hits > MaxRequests:
		return fmt.Errorf("%w %q: %d hits", ErrSpec, s.Name, r.Hits)
	case s.Requests < 0 || s.Requests > MaxRequests || s.Burst < 0 || s.Burst > MaxRequests:
		return fmt.Errorf("%w %q: %d requests, burst %d", ErrSpec, s.Name, s.Requests, s.Burst)
	case s.algorithm() == Quota:
		return s.validateQuota()
	case s.Window < time.Millisecond || s.Window > MaxWindow:
		return fmt.Errorf("%w %q: window %s", ErrSpec, s.Name, s.Window)
	}
	switch s.algorithm() {
	case FixedWindow, GCRA, TwoBucket:
		return nil
	case Concurrency:
		if s.Requests <= MaxHeld && r.Hits <= MaxHeld {
			return nil
		}
		return fmt.Errorf("%w %q: %d requests, %d hits, and concurrency remembers each", ErrSpec, s.Name, s.Requests, r.Hits)
	case SlidingWindow:
		if s.Requests <= MaxLogged {
			return nil
		}
		return fmt.Errorf("%w %q: %d requests, and sliding_window remembers each", ErrSpec, s.Name, s.Requests)
	}
	return fmt.Errorf("%w %q: algorithm %q", ErrSpec, s.Name, s.Algorithm)
}

func (s Spec) validateQuota() error {
	if s.Calendar.Period != Daily && s.Calendar.Period != Monthly {
		return fmt.Errorf("%w %q: a quota for %q", ErrSpec, s.Name, s.Calendar.Period)
	}
	return nil
}

func validate(requests []Request) error {
	var errs []error
	for i := range requests {
		if err := requests[i].validate(); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
