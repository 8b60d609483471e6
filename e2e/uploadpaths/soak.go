package uploadpaths

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"

	"gatehouse/e2e/pack"
)

// parallel is how many uploads are under way at once.
const parallel = 8

// load is what a soak sends: honest files and refused ones of all sizes.
func load() []sample {
	const script = "/OpenAction << /S /JavaScript /JS (x) >>"
	return []sample{
		png(4_000, ""), png(60_000, "").inForm("a.png"), png(900_000, "").inForm("a.png"),
		pdf(8_000, "").inForm("a.pdf"), pdf(200_000, ""), text(4_000).inForm("a.txt"), text(90_000), film(900_000), film(500_000).inForm("a.mp4"), film(3_000_000),
		program(4_000), program(50_000).inForm("a.pdf"), program(1_000_000),
		pdf(9_000, script).inForm("a.pdf").refused("a PDF with a script in a form", 422), pdf(150_000, script).refused("a PDF with a script", 422),
		png(30_000, "<?php x").refused("a PNG with code", 422), png(700_000, "<?php x").inForm("a.png").refused("a PNG with code in a form", 422),
		text(maxFile).refused("a text that is too large", 413),
	}
}

// Result is what a soak has seen.
type Result struct {
	Uploads, Accepted, Refused, Aborted int
	// Early is Envoy's memory after a quarter, Late at the end.
	Early, Late pack.Memory
}

// soak is a run under way.
type soak struct {
	edge    *edge
	samples []sample
	client  *http.Client
	run     string // its part of the marks
	aborted atomic.Int64
	sent    []atomic.Int64 // by sample

	mu       sync.Mutex
	failures []string
}

// Run starts an Envoy, whose filter gathers bodies as control has it, and sends it that many uploads. It fails the test for any
// verdict that is not the one to be expected, for a refused or broken-off upload
// that is complete at the upstream, and for a stream that the filter still holds.
func Run(t pack.TB, uploads int) Result {
	t.Helper()
	return startEdge(t, pack.StartUpstream(t, nil), 128<<10).soak(t, uploads)
}

func (e *edge) soak(t pack.TB, uploads int) Result {
	t.Helper()
	s := &soak{edge: e, samples: load(), client: pack.HTTP2(), run: pack.NewMark()}
	defer s.client.CloseIdleConnections()
	s.sent = make([]atomic.Int64, len(s.samples))
	s.stretch(0, uploads/4)
	early := pack.MeasureEnvoy(t, e.admin, e.envoy.Pid())
	s.stretch(uploads/4, uploads)
	e.expectNoStreams(t)
	r := Result{Uploads: uploads, Aborted: int(s.aborted.Load()), Early: early, Late: pack.MeasureEnvoy(t, e.admin, e.envoy.Pid())}
	for _, failure := range s.failures {
		t.Errorf("%s", failure)
	}
	s.count(t, &r)
	return r
}

// stretch sends the uploads from one number to another.
func (s *soak) stretch(from, to int) {
	numbers := make(chan int)
	var workers sync.WaitGroup
	for range parallel {
		workers.Go(func() {
			for n := range numbers {
				s.one(n)
			}
		})
	}
	for n := from; n < to; n++ {
		numbers <- n
	}
	close(numbers)
	workers.Wait()
}

// abortEvery is the share of uploads whose client hangs up in the midst.
const abortEvery = 12

func (s *soak) one(n int) {
	which := n % len(s.samples)
	path := toHTTP1
	if n/2%2 == 1 {
		path = toHTTP2
	}
	if n%abortEvery == abortEvery-1 {
		s.aborted.Add(1)
		if err := s.edge.abort(context.Background(), path, s.samples[which], s.mark("aborted")); err != nil && s.samples[which].status == 200 {
			s.fail("aborted %s: %v", s.samples[which].name, err)
		}
		return
	}
	how := endings[n/len(s.samples)%len(endings)]
	status, err := s.edge.send(context.Background(), s.client, how, path, s.samples[which], s.mark(strconv.Itoa(which)))
	if err != nil || status != s.samples[which].status {
		s.fail("upload %d, %s over %s to %s: status %d, not %d (%v)", n, s.samples[which].name, how.name, path, status, s.samples[which].status, err)
		return
	}
	s.sent[which].Add(1)
}

func (s *soak) mark(what string) string { return s.run + "-" + what }

// maxFailures bounds what is reported: one cause has many.
const maxFailures = 10

func (s *soak) fail(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.failures) < maxFailures {
		s.failures = append(s.failures, fmt.Sprintf(format, args...))
	}
}

// count holds what arrived against what was sent, sample by sample.
func (s *soak) count(t pack.TB, r *Result) {
	t.Helper()
	for which := range s.samples {
		sent, want := int(s.sent[which].Load()), 0
		if s.samples[which].status == http.StatusOK {
			want = sent
			r.Accepted += sent
		} else {
			r.Refused += sent
		}
		if got := complete(s.edge.app.Requests(t, s.mark(strconv.Itoa(which)))); got != want {
			t.Errorf("%s: %d complete requests at the upstream, not %d", s.samples[which].name, got, want)
		}
	}
	if got := complete(s.edge.app.Requests(t, s.mark("aborted"))); got != 0 {
		t.Errorf("%d broken-off uploads are complete at the upstream", got)
	}
	if r.Accepted+r.Refused+r.Aborted != r.Uploads {
		t.Errorf("%d accepted, %d refused and %d broken off are not %d", r.Accepted, r.Refused, r.Aborted, r.Uploads)
	}
}

func complete(all []pack.Seen) (n int) {
	for _, seen := range all {
		if seen.Complete {
			n++
		}
	}
	return n
}
