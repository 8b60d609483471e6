// Command observatory has the demo graded by those whom people ask: the scanner
// of MDN's HTTP Observatory and Google's CSP Evaluator, on this machine and
// without a network.
//
// It starts `gatehouse up` with ports of its own, switches
// envoy.tls.redirect_http on in the demo's policy, and waits until plain HTTP is
// answered with 308. It fails unless the grade is A+ with the score that is asked
// for, and unless no finding about the Content-Security-Policy is of high
// severity. `make bench-observatory` fetches the graders first.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"text/tabwriter"
	"time"
)

// Severities of the CSP Evaluator are smaller the worse; above this they are
// about what could be better.
const (
	severityHigh      = 10
	severityHighMaybe = 50
)

// grading is what grade.mjs prints.
type grading struct {
	Grade string
	Score int
	Tests []struct {
		Name, Result string
		Pass         bool
		Score        int
	}
	CSP []struct {
		Directive, Value, Says string
		Severity               int
	}
}

func main() {
	graders := flag.String("graders", ".tools/observatory", "folder with grade.mjs and its modules")
	base := flag.Int("port-base", 21080, "first of the ports of the demo")
	least := flag.Int("least", 140, "the score that is asked for")
	flag.Parse()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if err := run(ctx, *graders, *base, *least); err != nil {
		fmt.Fprintln(os.Stderr, "observatory:", err)
		cancel()
		os.Exit(1) //nolint:gocritic // cancelled above
	}
}

func run(ctx context.Context, graders string, base, least int) error {
	dir, err := os.MkdirTemp("", "gatehouse-observatory-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	d, err := start(ctx, dir, base)
	if err != nil {
		return err
	}
	defer d.stop()
	csp, err := d.prepare(ctx)
	if err != nil {
		return err
	}
	g, err := grade(ctx, graders, d, csp)
	if err != nil {
		return err
	}
	g.print(os.Stdout)
	return g.judge(least)
}

func grade(ctx context.Context, graders string, d *demo, csp string) (*grading, error) {
	cmd := exec.CommandContext(ctx, "node", filepath.Join(graders, "grade.mjs"), "localhost", d.httpPort, d.httpsPort, csp)
	cmd.Env = append(os.Environ(), "NODE_EXTRA_CA_CERTS="+filepath.Join(d.dir, "tls", "ca.pem"))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("run the graders: %w", err)
	}
	g := new(grading)
	if err := json.Unmarshal(out, g); err != nil {
		return nil, fmt.Errorf("what the graders say: %w", err)
	}
	return g, nil
}

func (g *grading) print(out io.Writer) {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "test\tresult\tscore")
	for _, t := range g.Tests {
		fmt.Fprintf(w, "%s\t%s\t%+d\n", t.Name, t.Result, t.Score)
	}
	fmt.Fprintf(w, "HTTP Observatory\t%s\t%d\n", g.Grade, g.Score)
	_ = w.Flush()
	for _, f := range g.CSP {
		fmt.Fprintf(out, "CSP Evaluator, severity %d: %s %s: %s\n", f.Severity, f.Directive, f.Value, f.Says)
	}
	if len(g.CSP) == 0 {
		fmt.Fprintln(out, "CSP Evaluator: no finding")
	}
}

func (g *grading) judge(least int) error {
	if g.Grade != "A+" || g.Score < least {
		return fmt.Errorf("grade %s with %d points, want A+ with %d", g.Grade, g.Score, least)
	}
	for _, f := range g.CSP {
		if f.Severity == severityHigh || f.Severity == severityHighMaybe {
			return fmt.Errorf("a finding of high severity: %s %s", f.Directive, f.Value)
		}
	}
	return nil
}
