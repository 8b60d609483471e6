package posture

import (
	"context"
	"fmt"
	"time"
)

// Result is one check that was made.
type Result struct {
	ID       string     `json:"id"` // GH-POS-001; never given to another check
	Section  string     `json:"section"`
	Title    string     `json:"title"`
	Status   Status     `json:"status"`
	Reasons  []string   `json:"reasons,omitempty"` // why it did not pass
	Evidence []Evidence `json:"evidence"`
}

// Line is one line of the audit's checklists with the checks that answer it.
type Line struct {
	Checklist string   `json:"checklist"`
	Text      string   `json:"text"` // as the audit words it
	Checks    []string `json:"checks,omitempty"`
	// Elsewhere is what answers a line that a running pack cannot.
	Elsewhere string `json:"elsewhere,omitempty"`
	Status    Status `json:"status"`
}

// Report is what Run returns.
type Report struct {
	Time    time.Time      `json:"time"`
	Results []Result       `json:"results"`
	Lines   []Line         `json:"checklists"`
	Counts  map[Status]int `json:"counts"`
}

// Failed tells whether a check failed. What is unknown has not.
func (r Report) Failed() bool { return r.Counts[Fail] > 0 }

// check is one entry of the catalogue.
type check struct {
	id, section, title string
	run                func(context.Context, *probe, *trial)
}

const checkWithin = 15 * time.Second

// Run makes every check, one after the other, and ends what they began. It
// returns early, with what is left unknown, when ctx ends.
func Run(ctx context.Context, target Target, now func() time.Time) (Report, error) {
	p, err := newProbe(target)
	if err != nil {
		return Report{}, err
	}
	defer p.close(context.WithoutCancel(ctx))
	report := Report{Time: now().UTC(), Counts: map[Status]int{}}
	for _, c := range catalogue() {
		r := c.make(ctx, p)
		report.Results = append(report.Results, r)
		report.Counts[r.Status]++
	}
	report.Lines = answer(report.Results)
	return report, nil
}

func (c check) make(ctx context.Context, p *probe) Result {
	t := &trial{}
	if ctx.Err() != nil {
		t.unknown("not asked: the time is over")
	} else {
		ctx, cancel := context.WithTimeout(ctx, checkWithin)
		defer cancel()
		c.run(ctx, p, t)
	}
	r := Result{ID: c.id, Section: c.section, Title: c.title, Evidence: t.evidence}
	if r.Evidence == nil {
		r.Evidence = []Evidence{}
	}
	r.Status, r.Reasons = t.verdict()
	return r
}

// answer gives each line of the checklists the worst of its checks.
func answer(results []Result) []Line {
	status := map[string]Status{}
	for _, r := range results {
		status[r.ID] = r.Status
	}
	lines := checklists()
	for i, l := range lines {
		lines[i].Status = NotApplicable
		if l.Elsewhere == "" {
			lines[i].Status = worst(status, l.Checks)
		}
	}
	return lines
}

func worst(status map[string]Status, ids []string) Status {
	var s Status
	for _, id := range ids {
		if worse(status[id], s) {
			s = status[id]
		}
	}
	return s
}

func id(n int) string { return fmt.Sprintf("GH-POS-%03d", n) }
