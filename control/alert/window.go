package alert

import (
	"container/list"
	"slices"
	"time"
)

// maxGroups bounds the groups of one rule that are counted at once.
const maxGroups = 10_000

// windows counts the groups of one rule. The group that has been quiet for the
// longest gives way to a new one.
type windows struct {
	groups map[string]*list.Element // of *window
	order  *list.List               // the least recently counted first
}

type window struct {
	key   string
	times []time.Time // sorted; the latest 2*(more_than+1)
}

func newWindows() *windows { return &windows{groups: map[string]*list.Element{}, order: list.New()} }

// add counts one event, and says whether with it there are more than moreThan
// within span; evicted that a group was given up for it. An event that comes late
// counts at its own time.
func (w *windows) add(key string, at time.Time, moreThan int, span time.Duration) (above, evicted bool) {
	element, ok := w.groups[key]
	if !ok {
		if len(w.groups) >= maxGroups {
			oldest := w.order.Front()
			delete(w.groups, oldest.Value.(*window).key) //nolint:forcetypeassert // nothing else is in the list
			w.order.Remove(oldest)
			evicted = true
		}
		element = w.order.PushBack(&window{key: key})
		w.groups[key] = element
	}
	w.order.MoveToBack(element)
	g := element.Value.(*window) //nolint:forcetypeassert // nothing else is in the list
	i, _ := slices.BinarySearchFunc(g.times, at, func(a, b time.Time) int { return a.Compare(b) })
	g.times = slices.Insert(g.times, i, at)
	if keep := 2 * (moreThan + 1); len(g.times) > keep {
		g.times = slices.Delete(g.times, 0, len(g.times)-keep)
		i = max(0, i-1)
	}
	return g.above(i, moreThan, span), evicted
}

// above looks at the runs of moreThan+1 events that the new one, at i, is in.
func (w *window) above(i, moreThan int, span time.Duration) bool {
	for first := max(0, i-moreThan); first <= i && first+moreThan < len(w.times); first++ {
		if w.times[first+moreThan].Sub(w.times[first]) <= span {
			return true
		}
	}
	return false
}

// forget drops a group whose alert is over.
func (w *windows) forget(key string) {
	if element, ok := w.groups[key]; ok {
		w.order.Remove(element)
		delete(w.groups, key)
	}
}
