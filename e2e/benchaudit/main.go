// Command benchaudit puts control's audit log beside what it is made of: durable
// events a second of its Append, as a ratio to tessera's own append to POSIX, at
// 1, 64 and 1,024 writers, each of whom waits for one event before the next; and
// how long it takes until an event can be searched for.
//
// Both logs are open at the same time and take turns in short rounds, so that
// whatever else the disk does hits both. Tessera's is set up as well as it can be
// for the number of writers (batches of that size); ours does not know it. It
// prints ratios, because absolute figures tell about the disk.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"text/tabwriter"
	"time"

	"gatehouse/control/audit"
)

type settings struct {
	rounds  int
	turn    time.Duration
	writers []int
	rate    int
	probes  int
}

func main() {
	var s settings
	flag.IntVar(&s.rounds, "rounds", 5, "rounds in which each log gets its turn")
	flag.DurationVar(&s.turn, "turn", time.Second, "length of one turn")
	flag.IntVar(&s.rate, "rate", 2000, "events a second while the search is measured")
	flag.IntVar(&s.probes, "probes", 300, "events whose way into the index is timed")
	s.writers = []int{1, 64, 1024}
	flag.Func("writers", "one number of writers instead of 1, 64 and 1024", func(text string) error {
		n, err := strconv.Atoi(text)
		if err == nil && n < 1 {
			err = errors.New("write at least 1")
		}
		s.writers = []int{n}
		return err
	})
	dir := flag.String("dir", "", "folder on the disk to measure (default: a temporary one)")
	flag.Parse()
	if err := run(context.Background(), s, *dir); err != nil {
		fmt.Fprintln(os.Stderr, "benchaudit:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, s settings, parent string) error {
	audit.CaptureLog(slog.New(slog.DiscardHandler))
	dir, err := os.MkdirTemp(parent, "gatehouse-benchaudit-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()

	w := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "writers\ttessera events/s\tours events/s\tratio\tp50\tp99\t")
	for _, writers := range s.writers {
		r, err := compare(ctx, s, dir, writers)
		if err != nil {
			return fmt.Errorf("%d writers: %w", writers, err)
		}
		fmt.Fprintf(w, "%d\t%.0f\t%.0f\t%.2f\t%v\t%v\t\n", writers, median(r.bare), median(r.ours), r.ratio(), quantile(r.latencies, .5), quantile(r.latencies, .99))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Println("\nratio: median over the rounds of ours against tessera's in the same round; p50 and p99 are of our Append.")

	latencies, err := searchable(ctx, s, dir)
	if err != nil {
		return fmt.Errorf("search: %w", err)
	}
	fmt.Printf("\nevent to searchable (SQLite, %d events/s): p50 %v, p99 %v, of %d\n", s.rate, quantile(latencies, .5), quantile(latencies, .99), len(latencies))
	return nil
}
