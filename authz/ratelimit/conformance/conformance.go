// Package conformance is a table of what envoyproxy/ratelimit answers, and a way to
// ask any server of envoy.service.ratelimit.v3 whether it answers the same.
//
// It promises that the table is true of the version that `make bench-limit` builds:
// `make conformance-limit` runs it against that server too. It is for tests; nothing
// that serves imports it.
package conformance

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	ratelimitv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	pb "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// Mode is how the server is configured beside its YAML.
type Mode string

// The modes: all of them send the three headers of the nearest limit.
const (
	Plain    Mode = ""
	Shadow   Mode = "shadow"   // SHADOW_MODE
	Quota    Mode = "quota"    // QUOTA_MODE
	Metadata Mode = "metadata" // RESPONSE_DYNAMIC_METADATA
)

// The names of the headers, which are envoyproxy/ratelimit's defaults.
const (
	LimitHeader     = "RateLimit-Limit"
	RemainingHeader = "RateLimit-Remaining"
	ResetHeader     = "RateLimit-Reset"
)

// Case is one configuration and what becomes of requests, in their order.
type Case struct {
	Name        string
	Mode        Mode
	Descriptors string // YAML, the value of descriptors
	Steps       []Step
}

// newer are cases of which only envoyproxy/ratelimit's newer versions know: quotas that
// refuse, stars elsewhere than at the end, and metadata, from March to July 2026.
var newer = map[string]bool{
	"a star in the middle": true, "two stars": true, "a star at the start": true, "a star in the middle is shared": true,
	"a quota alone refuses when it is used up": true, "one of two quotas is enough to pass": true,
	"all quotas are used up although a limit is not": true, "a limit refuses although a quota is left": true,
	"all is a quota": true, "metadata of a rule that admits": true,
	"metadata of two rules is merged, the first goes before": true,
}

// Newer says that the version which the Go module proxy serves (January 2026) does not
// know what the case is about. Commit f2fb15770f7f of July 2026 does.
func (c Case) Newer() bool { return newer[c.Name] }

// Step is a request and its answer.
//
// Ask is descriptors with "; " between; each is entries, "key=value", with ", "
// between; then optionally "(N)", its hits, and "[N/unit]", the limit that it brings
// along; " +N" at the end are the request's hits.
//
// Want is the overall code, then of each descriptor the code and "N of LIMIT/unit
// name", "none" or "unlimited"; then in brackets the limit's and the remaining header,
// if there are any; then the metadata. Reset times are checked always. "error" stands
// for any refusal to answer.
type Step struct{ Ask, Want string }

// Domain is the domain of the nth case.
func Domain(n int) string { return "c" + strconv.Itoa(n) }

// File is the configuration of the nth case.
func (c Case) File(n int) []byte {
	return fmt.Appendf(nil, "domain: %s\ndescriptors: %s\n", Domain(n), c.Descriptors)
}

// Check asks the server for all steps of the nth case. now is the server's clock.
func (c Case) Check(ctx context.Context, server pb.RateLimitServiceClient, n int, now func() time.Time) error {
	for i, step := range c.Steps {
		in, err := parse(Domain(n), step.Ask)
		if err != nil {
			return err
		}
		before := now()
		out, err := server.ShouldRateLimit(ctx, in)
		got := "error"
		if err == nil {
			got = render(out)
			err = resets(out, before, now())
		} else if step.Want == got {
			err = nil
		}
		if got != step.Want || err != nil {
			return fmt.Errorf("step %d, %s:\n got %s\nwant %s (%w)", i+1, step.Ask, got, step.Want, err)
		}
	}
	return nil
}

func parse(domain, ask string) (*pb.RateLimitRequest, error) {
	in := &pb.RateLimitRequest{Domain: domain}
	ask, hits, ok := strings.Cut(ask, " +")
	if ok {
		n, err := strconv.ParseUint(hits, 10, 32)
		if err != nil {
			return nil, err
		}
		in.HitsAddend = uint32(n)
	}
	if ask == "" {
		return in, nil
	}
	for part := range strings.SplitSeq(ask, "; ") {
		d, err := parseDescriptor(part)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", ask, err)
		}
		in.Descriptors = append(in.Descriptors, d)
	}
	return in, nil
}

func parseDescriptor(text string) (*ratelimitv3.RateLimitDescriptor, error) {
	d := &ratelimitv3.RateLimitDescriptor{}
	if rest, limit, ok := strings.Cut(text, "["); ok {
		count, unit, _ := strings.Cut(strings.TrimSuffix(limit, "]"), "/")
		n, err := strconv.ParseUint(count, 10, 32)
		if err != nil {
			return nil, err
		}
		d.Limit = &ratelimitv3.RateLimitDescriptor_RateLimitOverride{
			RequestsPerUnit: uint32(n), Unit: typev3.RateLimitUnit(typev3.RateLimitUnit_value[strings.ToUpper(unit)]),
		}
		text = rest
	}
	if rest, hits, ok := strings.Cut(text, "("); ok {
		n, err := strconv.ParseUint(strings.TrimSuffix(hits, ")"), 10, 64)
		if err != nil {
			return nil, err
		}
		d.HitsAddend, text = wrapperspb.UInt64(n), rest
	}
	for entry := range strings.SplitSeq(text, ", ") {
		key, value, _ := strings.Cut(entry, "=")
		d.Entries = append(d.Entries, &ratelimitv3.RateLimitDescriptor_Entry{Key: key, Value: value})
	}
	return d, nil
}

func render(out *pb.RateLimitResponse) string {
	parts := make([]string, 0, len(out.GetStatuses()))
	for _, at := range out.GetStatuses() {
		parts = append(parts, renderStatus(at))
	}
	text := out.GetOverallCode().String() + ": " + strings.Join(parts, "; ")
	limit, remaining := header(out, LimitHeader), header(out, RemainingHeader)
	if limit != "" || remaining != "" {
		text += " [" + limit + " " + remaining + "]"
	}
	if m := out.GetDynamicMetadata().GetFields()["metadata"]; m != nil {
		text += " " + fmt.Sprint(m.AsInterface())
	}
	return text
}

func renderStatus(at *pb.RateLimitResponse_DescriptorStatus) string {
	code := "ok"
	if at.GetCode() != pb.RateLimitResponse_OK {
		code = "over"
	}
	limit := at.GetCurrentLimit()
	switch {
	case limit == nil && at.GetLimitRemaining() == 0:
		return code + " none"
	case limit == nil:
		return code + " unlimited"
	}
	text := fmt.Sprintf("%s %d of %d/%s", code, at.GetLimitRemaining(), limit.GetRequestsPerUnit(), strings.ToLower(limit.GetUnit().String()))
	if limit.GetName() != "" {
		text += " " + limit.GetName()
	}
	return text
}

func header(out *pb.RateLimitResponse, name string) string {
	for _, h := range out.GetResponseHeadersToAdd() {
		if h.GetKey() == name {
			return h.GetValue()
		}
	}
	return ""
}

var seconds = map[pb.RateLimitResponse_RateLimit_Unit]int64{
	pb.RateLimitResponse_RateLimit_SECOND: 1, pb.RateLimitResponse_RateLimit_MINUTE: 60,
	pb.RateLimitResponse_RateLimit_HOUR: 3600, pb.RateLimitResponse_RateLimit_DAY: 24 * 3600,
	pb.RateLimitResponse_RateLimit_WEEK: 7 * 24 * 3600, pb.RateLimitResponse_RateLimit_MONTH: 30 * 24 * 3600,
	pb.RateLimitResponse_RateLimit_YEAR: 365 * 24 * 3600,
}

// resets checks the times until each window ends, and the header's.
func resets(out *pb.RateLimitResponse, before, after time.Time) error {
	known := map[string]bool{}
	for i, at := range out.GetStatuses() {
		limit := at.GetCurrentLimit()
		if limit == nil {
			if at.GetDurationUntilReset() != nil {
				return fmt.Errorf("status %d has a reset and no limit", i+1)
			}
			continue
		}
		unit := seconds[limit.GetUnit()]
		got := at.GetDurationUntilReset()
		known[strconv.FormatInt(got.GetSeconds(), 10)] = true
		if got.GetNanos() != 0 || got.GetSeconds() != unit-before.Unix()%unit && got.GetSeconds() != unit-after.Unix()%unit {
			return fmt.Errorf("status %d resets in %s of %d s", i+1, got.AsDuration(), unit)
		}
	}
	if reset := header(out, ResetHeader); reset != "" && !known[reset] {
		return fmt.Errorf("%s: %s is of no descriptor", ResetHeader, reset)
	}
	return nil
}
