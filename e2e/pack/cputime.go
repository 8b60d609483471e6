package pack

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

// CPUTime is what the process's threads have used, from the scheduler's own count in
// nanoseconds (proc(5), schedstat): the ticks of stat are too coarse.
func CPUTime(pid int) (time.Duration, error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil || len(files) == 0 {
		return 0, fmt.Errorf("read the processor time of process %d: it is gone, or the kernel keeps no schedstat", pid)
	}
	var sum time.Duration
	for _, file := range files {
		text, err := os.ReadFile(file) // #nosec G304 -- our own child's
		if err != nil {
			continue // the thread has ended
		}
		ran, _, _ := bytes.Cut(text, []byte(" "))
		n, err := strconv.ParseInt(string(ran), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read the processor time of process %d: %w", pid, err)
		}
		sum += time.Duration(n)
	}
	return sum, nil
}

// LowerQuartile is the value that a quarter of the values are below: rounds in which
// others took the caches away are above it.
func LowerQuartile(values []float64) float64 {
	return slices.Sorted(slices.Values(values))[len(values)/4]
}
