package ratelimit

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	pb "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/protobuf/types/known/structpb"

	"gatehouse/authz/limit"
)

// Unit is a window length by its name.
type Unit = pb.RateLimitResponse_RateLimit_Unit

// The windows as envoyproxy/ratelimit counts them: a month has 30 days, a year
// 365.
var windows = map[Unit]time.Duration{
	pb.RateLimitResponse_RateLimit_SECOND: time.Second,
	pb.RateLimitResponse_RateLimit_MINUTE: time.Minute,
	pb.RateLimitResponse_RateLimit_HOUR:   time.Hour,
	pb.RateLimitResponse_RateLimit_DAY:    24 * time.Hour,
	pb.RateLimitResponse_RateLimit_WEEK:   7 * 24 * time.Hour,
	pb.RateLimitResponse_RateLimit_MONTH:  30 * 24 * time.Hour,
	pb.RateLimitResponse_RateLimit_YEAR:   365 * 24 * time.Hour,
}

// Config is a compiled directory. It never changes.
type Config struct {
	domains map[string]*node
}

// Rule is what applies to a descriptor.
type Rule struct {
	Name      string // of the limit, if it has one
	Requests  uint32
	Unit      Unit
	Unlimited bool
	Shadow    bool     // count and report, but never refuse
	Quota     bool     // refuse only if every other quota of the request is used up too
	Detailed  bool     // names of metrics have the request's values
	Replaces  []string // names of limits that do not apply where this one does
	// Algorithm is how it is counted, Burst what gcra admits at once, and Calendar what a
	// quota is for.
	Algorithm limit.Algorithm
	Burst     int64
	Calendar  limit.Calendar
	// Lease is how many hits a replica takes from Redis at once; 0 is none.
	Lease int64
	// Metadata is what the service tells Envoy of a rule that admits, if it is asked to.
	Metadata *structpb.Struct
}

// Window is the length of the rule's window; a quota's is its calendar's.
func (r *Rule) Window() time.Duration { return windows[r.Unit] }

// Lengths are those of all windows, for whoever looks for a counter.
func Lengths() []time.Duration { return slices.Sorted(maps.Values(windows)) }

// Domains is the number of domains that are configured.
func (c *Config) Domains() int { return len(c.domains) }

// ConfigError is one thing wrong in a file.
type ConfigError struct {
	File         string
	Line, Column int // from 1; 0 is the file as a whole
	Key          string
	What, Fix    string
}

func (m ConfigError) Error() string {
	at := m.File
	if m.Line > 0 {
		at = fmt.Sprintf("%s:%d:%d", m.File, m.Line, m.Column)
	}
	if m.Key != "" {
		at += ": " + m.Key
	}
	return at + ": " + m.What + ": " + m.Fix
}

// ConfigErrors are all that was found, file by file.
type ConfigErrors []ConfigError

func (ms ConfigErrors) Error() string {
	lines := make([]string, len(ms))
	for i, m := range ms {
		lines[i] = m.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap lets errors.As and errors.Is walk the list.
func (ms ConfigErrors) Unwrap() []error {
	errs := make([]error, len(ms))
	for i, m := range ms {
		errs[i] = m
	}
	return errs
}
