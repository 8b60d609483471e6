package up

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// service is one child of the pack: how to start it, and how to see that it
// serves.
type service struct {
	name    string
	command command
	// ready probes once. It is called again until it returns nil.
	ready func(context.Context) error
	grace time.Duration // between SIGTERM and SIGKILL

	current atomic.Pointer[process]
	served  atomic.Bool        // was ready once
	ended   chan struct{}      // closed when the service is over
	cancel  context.CancelFunc // stops it
}

// timing of a pack's supervision; tests shorten it.
type timing struct {
	readyDeadline time.Duration // for each service to become ready
	probeEvery    time.Duration
	probeTimeout  time.Duration
	firstBackoff  time.Duration // doubled with each death, up to maxBackoff
	maxBackoff    time.Duration
	maxDeaths     int           // within deathWindow, then the pack gives up
	deathWindow   time.Duration // also: how long a service must live to be forgiven
}

func defaultTiming() timing {
	return timing{
		readyDeadline: 60 * time.Second,
		probeEvery:    50 * time.Millisecond,
		probeTimeout:  2 * time.Second,
		firstBackoff:  250 * time.Millisecond,
		maxBackoff:    4 * time.Second,
		maxDeaths:     5,
		deathWindow:   time.Minute,
	}
}

// supervisor keeps services running.
type supervisor struct {
	spawn  *spawner
	timing timing
	say    func(format string, args ...any)
	kill   <-chan struct{} // closed: no more patience
	// changed is told whenever a service has a new process.
	changed func()

	running []*service
	failed  chan error
}

// launch starts a service for the first time. It runs, but need not serve yet.
func (s *supervisor) launch(svc *service) error {
	child, err := s.spawn.launch(svc.command)
	if err != nil {
		return fmt.Errorf("%s: %w", svc.name, err)
	}
	svc.current.Store(child)
	svc.ended = make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background()) // ends by stopAll alone, which keeps the order
	svc.cancel = cancel
	s.running = append(s.running, svc)
	go func() {
		defer close(svc.ended)
		if err := s.watch(ctx, svc); err != nil {
			select {
			case s.failed <- err:
			default: // an earlier failure already ends the pack
			}
		}
	}()
	return nil
}

// await polls until a service that was launched serves.
func (s *supervisor) await(ctx context.Context, svc *service) error {
	ctx, cancel := context.WithTimeoutCause(ctx, s.timing.readyDeadline, errNotReady)
	defer cancel()
	ticker := time.NewTicker(s.timing.probeEvery)
	defer ticker.Stop()
	for {
		err := s.probe(ctx, svc)
		if err == nil {
			svc.served.Store(true)
			return nil
		}
		select {
		case failure := <-s.failed:
			return failure
		case <-ctx.Done():
			if errors.Is(context.Cause(ctx), errNotReady) {
				return fmt.Errorf("%s is not ready after %s: %w; its log (%s) ends:%s", svc.name, s.timing.readyDeadline, err, svc.command.log, logTail(svc.command.log))
			}
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

var errNotReady = errors.New("not ready in time")

func (s *supervisor) probe(ctx context.Context, svc *service) error {
	ctx, cancel := context.WithTimeout(ctx, s.timing.probeTimeout)
	defer cancel()
	return svc.ready(ctx)
}

// watch starts a service again whenever it dies, until it is stopped (nil) or
// dies too often. One that never served is not tried twice: its log says why.
func (s *supervisor) watch(ctx context.Context, svc *service) error {
	deaths := deathCount{timing: s.timing}
	for {
		child := svc.current.Load()
		born := time.Now()
		select {
		case <-ctx.Done():
			child.stop(svc.grace, s.kill)
			return nil
		case <-child.done:
		}
		if !svc.served.Load() {
			return fmt.Errorf("%s did not start (%s); its log (%s) ends:%s", svc.name, child.end(), svc.command.log, logTail(svc.command.log))
		}
		delay, again := deaths.next(born, time.Now())
		if !again {
			return fmt.Errorf("%s died %d times in a row (%s); its log (%s) ends:%s", svc.name, deaths.count, child.end(), svc.command.log, logTail(svc.command.log))
		}
		s.say("%s died (%s); starting it again in %s; see %s", svc.name, child.end(), delay, svc.command.log)
		if !pause(ctx, delay) {
			return nil
		}
		next, err := s.spawn.launch(svc.command)
		if err != nil {
			return fmt.Errorf("%s: %w", svc.name, err)
		}
		svc.current.Store(next)
		s.changed()
	}
}

// stopAll stops the services in the reverse order of their start.
func (s *supervisor) stopAll() {
	for i := len(s.running) - 1; i >= 0; i-- {
		svc := s.running[i]
		svc.cancel()
		<-svc.ended
	}
	s.running = nil
}

// deathCount decides how often and how soon a service is started again.
type deathCount struct {
	timing timing
	count  int
}

// next takes the birth and the death of a process and returns the pause before
// its successor; false when there must be none.
func (d *deathCount) next(born, died time.Time) (time.Duration, bool) {
	if died.Sub(born) >= d.timing.deathWindow {
		d.count = 0
	}
	d.count++
	if d.count >= d.timing.maxDeaths {
		return 0, false
	}
	return min(d.timing.firstBackoff<<(d.count-1), d.timing.maxBackoff), true
}

// pause waits; false when ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
