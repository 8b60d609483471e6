package limit

import (
	"context"
	_ "embed" // for slice.lua
	"fmt"
	"strconv"
	"time"
)

//go:embed slice.lua
var sliceSource string

// taking is a try to take a slice.
type taking struct {
	begun       time.Time // before Redis looks at its clock, so that the slice ends here first
	n           int64
	back, index int64 // of the slice before, what is left
}

// sliced is what slice.lua answers.
type sliced struct {
	taken, remains, index int64
	grows, ends           time.Duration
}

// take asks for a slice. If the answer is lost, the slice is too, and what was to go
// back: less is admitted then, never more.
func (s *Slices) take(ctx context.Context, l *slice, t taking) {
	got, err := s.run(ctx, l, t)
	if err != nil {
		got = sliced{}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if back := l.took(got, t.begun, s.now()); back.taken > 0 {
		l.mu.Unlock()
		s.giveBack(ctx, l, back.index, back.taken)
		l.mu.Lock()
	}
	l.taking = false
}

func (s *Slices) giveBack(ctx context.Context, l *slice, index, n int64) {
	// An error means that less will be admitted; a second try could give back twice.
	_, _ = s.run(ctx, l, taking{back: n, index: index})
}

func (s *Slices) run(ctx context.Context, l *slice, t taking) (sliced, error) {
	at := int64(0)
	if s.redis != nil {
		at = s.redis().UnixMicro()
	}
	part, least := l.share()
	letter, capacity, window, interval := l.spec.args()
	if s.plain {
		letter, interval = "w", strconv.FormatInt(l.window, 10)
	}
	call := &Call{Script: s.script, Keys: []string{l.key}, Once: t.back > 0, Args: []any{
		at, letter, capacity, window, interval, t.n, part, least, l.cell.Microseconds(), t.back, t.index,
	}}
	s.line.Run(ctx, call)
	if call.Err != nil {
		return sliced{}, call.Err
	}
	list, _ := call.Value.([]any)
	var numbers [5]int64
	if len(list) != len(numbers) {
		return sliced{}, fmt.Errorf("%w: the script answered %.80q", ErrUnavailable, fmt.Sprint(call.Value))
	}
	for i := range numbers {
		var ok bool
		if numbers[i], ok = list[i].(int64); !ok {
			return sliced{}, fmt.Errorf("%w: the script answered %.20q for a number", ErrUnavailable, fmt.Sprint(list[i]))
		}
	}
	return sliced{numbers[0], numbers[1], numbers[3], micros(numbers[2]), micros(numbers[4])}, nil
}
