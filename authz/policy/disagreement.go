package policy

import (
	"sync"
	"time"
)

const (
	// toleratedFor is how long Envoy may work by another version than authz:
	// a rollout reaches the two by different ways.
	toleratedFor = 5 * time.Second
	// forgottenAfter ends a disagreement that nobody sends any more.
	forgottenAfter = 30 * time.Second
	maxForeign     = 16
)

// Disagreement watches the versions that Envoy sends along with its requests.
// Each foreign version has its own clock: one Envoy of many that is stuck on an
// old version is noticed although all others agree.
type Disagreement struct {
	now func() time.Time

	mu      sync.Mutex
	foreign map[string]*sighting
}

type sighting struct {
	first, last time.Time
	reported    bool
}

// NewDisagreement takes the clock.
func NewDisagreement(now func() time.Time) *Disagreement {
	return &Disagreement{now: now, foreign: map[string]*sighting{}}
}

// Seen records that a request came with a version other than loaded. It is true
// once for each foreign version, when that has gone on for longer than five
// seconds. Callers need not ask when the versions agree.
func (d *Disagreement) Seen(loaded, foreign string) bool {
	now := d.now()
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.foreign, loaded)
	s := d.foreign[foreign]
	if s == nil || now.Sub(s.last) > forgottenAfter {
		d.make(foreign, now)
		return false
	}
	s.last = now
	if s.reported || now.Sub(s.first) <= toleratedFor {
		return false
	}
	s.reported = true
	return true
}

// make starts a sighting. The number is bounded because the version comes from
// another process; beyond the bound the ones that ended make room.
func (d *Disagreement) make(foreign string, now time.Time) {
	if len(d.foreign) >= maxForeign {
		for version, s := range d.foreign {
			if now.Sub(s.last) > forgottenAfter {
				delete(d.foreign, version)
			}
		}
	}
	if len(d.foreign) < maxForeign {
		d.foreign[foreign] = &sighting{first: now, last: now}
	}
}

// Active is the number of foreign versions that are reported and still sent,
// for a gauge. loaded is the version now in use.
func (d *Disagreement) Active(loaded string) int {
	now := d.now()
	d.mu.Lock()
	defer d.mu.Unlock()
	n := 0
	for version, s := range d.foreign {
		if s.reported && version != loaded && now.Sub(s.last) <= toleratedFor {
			n++
		}
	}
	return n
}
