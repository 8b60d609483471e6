package authz

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"gatehouse/authz/secret"
)

const (
	// stopWithin is how long Run takes to end, at worst.
	stopWithin = 5 * time.Second
	// answerWithin of it is for requests in flight; the rest is for events.
	answerWithin = 3 * time.Second
)

// Run serves until ctx ends, or something on which all depends fails. It
// returns nil after a stop that was asked for.
func Run(ctx context.Context, o Options) error {
	o.fill()
	if err := o.validate(); err != nil {
		return err
	}
	collectLess()
	s, err := assemble(ctx, o)
	if err != nil {
		return err
	}
	return s.run(ctx)
}

// gcPercent lets garbage grow to four times what is in use: that is little, and
// collecting it at the usual pace takes a tenth of the time of a Check.
const gcPercent = 400

// collectLess leaves the pace alone where the environment sets one (GOGC).
func collectLess() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}

func (o *Options) fill() {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Instance == "" {
		o.Instance = hostname()
	}
	if o.Registry == nil {
		o.Registry = newRegistry()
	}
}

// run serves, and takes everything down again in the order in which nothing is
// lost: first no new work, then the answers in flight, then the events.
func (s *server) run(ctx context.Context) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	background, stopBackground := context.WithCancel(context.WithoutCancel(ctx))
	var behind sync.WaitGroup
	for _, work := range s.background() {
		behind.Go(func() { secret.ContainLoop("authz", fail, func() { work(background) }) })
	}
	group, serving := errgroup.WithContext(ctx)
	front := split(s.listener, s.o.Log)
	group.Go(front.serve)
	group.Go(func() error { return unlessStopped(s.grpc.Serve(front.grpc)) })
	group.Go(func() error { return unlessStopped(s.http.Serve(front.http)) })
	if s.metricsListener != nil {
		group.Go(func() error { return unlessStopped(s.metrics.Serve(s.metricsListener)) })
	}
	group.Go(func() error {
		<-serving.Done()
		return s.stopServing()
	})
	s.o.Log.Info("authz serves", "address", s.listener.Addr().String(), "instance", s.o.Instance)
	if s.o.Started != nil {
		s.o.Started(s.listener.Addr())
	}
	err := group.Wait()
	stopBackground()
	behind.Wait()
	return errors.Join(err, secret.Crash(ctx), s.close())
}

// unlessStopped drops the errors by which a server says that it was stopped.
func unlessStopped(err error) error {
	if errors.Is(err, http.ErrServerClosed) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// stopServing answers what is in flight and ends what does not end by itself.
func (s *server) stopServing() error {
	s.o.Log.Info("authz stops")
	s.health.Shutdown()
	s.accessLog.Drain()
	ctx, cancel := context.WithTimeout(context.Background(), answerWithin)
	defer cancel()
	var stopping sync.WaitGroup
	stopping.Go(func() { s.stopGRPC(ctx) })
	for _, h := range []*http.Server{s.http, s.metrics} {
		stopping.Go(func() {
			if h.Shutdown(ctx) != nil {
				_ = h.Close() // what is left has had its time
			}
		})
	}
	stopping.Wait()
	return nil
}

func (s *server) stopGRPC(ctx context.Context) {
	done := make(chan struct{})
	go func() {
		s.grpc.GracefulStop()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
		s.grpc.Stop()
		<-done
	}
}

// close delivers the events and lets go of Redis.
func (s *server) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopWithin-answerWithin)
	defer cancel()
	s.deaf()
	errs := []error{s.events.Close(ctx)}
	for _, c := range s.owned {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}
