package limit

import (
	"math"
	"strconv"
	"time"
)

// The names of the fields (draft-ietf-httpapi-ratelimit-headers section 3 and 4;
// RFC 9110 section 10.2.3).
const (
	PolicyHeader     = "RateLimit-Policy"
	StateHeader      = "RateLimit"
	RetryAfterHeader = "Retry-After"
)

// PolicyField renders the RateLimit-Policy field: for each limit its name, the
// quota and, if it is whole seconds, the window; of concurrency the quota's unit
// instead. Shadows are left out; the
// result is empty if nothing else is left.
func PolicyField(results []Result) string {
	var b []byte
	for _, r := range results {
		if r.Shadow {
			continue
		}
		b = appendItem(b, r.Name)
		b = appendParameter(b, "q", r.Limit)
		if r.Algorithm == Concurrency {
			b = append(b, `;qu="concurrent-requests"`...)
		} else if r.Window >= time.Second && r.Window%time.Second == 0 {
			b = appendParameter(b, "w", int64(r.Window/time.Second))
		}
	}
	return string(b)
}

// StateField renders the RateLimit field: for each limit its name, what is left,
// and the seconds until more is.
func StateField(results []Result) string {
	var b []byte
	for _, r := range results {
		if r.Shadow {
			continue
		}
		b = appendItem(b, r.Name)
		b = appendParameter(b, "r", r.Remaining)
		b = appendParameter(b, "t", seconds(r.Reset))
	}
	return string(b)
}

// RetryAfter renders the Retry-After field, in seconds, rounded up, at least 1:
// the longest wait of all limits that refuse. It is empty if none does.
func RetryAfter(results []Result) string {
	refused, longest := false, time.Duration(0)
	for _, r := range results {
		if r.Allowed || r.Shadow {
			continue
		}
		refused, longest = true, max(longest, r.RetryAfter)
	}
	if !refused {
		return ""
	}
	return strconv.FormatInt(max(1, seconds(longest)), 10)
}

func seconds(d time.Duration) int64 { return int64(math.Ceil(d.Seconds())) }

// appendItem appends name as the next sf-string of a list (RFC 9651 sections
// 3.1 and 3.3.3). A string may hold printable ASCII only; the rest becomes "_".
func appendItem(b []byte, name string) []byte {
	if len(b) > 0 {
		b = append(b, ", "...)
	}
	b = append(b, '"')
	for i := range len(name) {
		switch c := name[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < 0x20 || c > 0x7e:
			b = append(b, '_')
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}

// maxInteger is the largest sf-integer (RFC 9651 section 3.3.1).
const maxInteger = 999_999_999_999_999

func appendParameter(b []byte, name string, value int64) []byte {
	b = append(b, ';')
	b = append(b, name...)
	b = append(b, '=')
	return strconv.AppendInt(b, min(max(value, 0), maxInteger), 10)
}
