package cli

import (
	"fmt"
	"text/tabwriter"

	"gatehouse/control/policy"
)

// replay prints what a browser does for a page, step by step. It ends with 1 if
// the page gets nothing to read.
func (app *App) replay(config string, f policy.Fetch, format output) error {
	if f.Origin == "" {
		return misuse("say the page's origin: --origin https://app.example.com (or METHOD URL, to explain one request)")
	}
	compiled, err := loadPolicy(config)
	if err != nil {
		return err
	}
	r, err := compiled.Replay(f)
	if err != nil {
		return misuse("replay %q: %w", f.URL, err)
	}
	if err := app.printReplay(r, format); err != nil {
		return err
	}
	if !r.Readable {
		return &ExitError{Code: ExitWrong}
	}
	return nil
}

func (app *App) printReplay(r *policy.Replay, format output) error {
	if format == outputJSON {
		return writeJSON(app.Stdout, r)
	}
	w := tabwriter.NewWriter(app.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "page\t%s\n", r.Origin)
	fmt.Fprintf(w, "fetch\t%s %s\n", r.Method, r.URL)
	fmt.Fprintf(w, "policy\t%s\tversion %s\n\n", r.Policy, r.Version)
	for _, s := range r.Steps {
		mark := "ok"
		if !s.OK {
			mark = "STOP"
		}
		fmt.Fprintf(w, "%s\tFetch %s\t%s\t%s\n", mark, s.Section, s.What, s.Result)
	}
	fmt.Fprintf(w, "\n%s\n", r.Outcome)
	return flush(w)
}
