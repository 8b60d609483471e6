package store

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"testing"
	"time"

	"gatehouse/authz/internal/redistest"
	"gatehouse/authz/limit"
	"gatehouse/authz/session"
)

// BenchmarkAsk is a question each for the session, the limits and both, from 64
// callers a processor, with sessions that are not cached.
func BenchmarkAsk(b *testing.B) {
	f := newFixture(b, redistest.Start(b).Client())
	tokens := make([]string, 1000)
	users := make([]session.User, len(tokens))
	for i := range tokens {
		users[i] = session.User{ID: fmt.Sprint("user ", i)}
		tokens[i] = f.open(b, users[i])
	}
	for _, kind := range []string{"session", "limits", "both"} {
		b.Run(kind, func(b *testing.B) {
			b.ReportAllocs()
			if err := f.client.ConfigResetStat(b.Context()).Err(); err != nil {
				b.Fatal(err)
			}
			defer func() { b.ReportMetric(perScript(b, f), "µs-of-Redis/op") }()
			b.SetParallelism(64)
			b.RunParallel(func(pb *testing.PB) {
				for i := 0; pb.Next(); i++ {
					q := Query{Demand: session.Demand{Fresh: true}}
					if kind != "limits" {
						q.Token = tokens[i%len(tokens)]
					}
					if kind != "session" {
						ip, user := f.byIP(1<<30), byUser(users[i%len(tokens)].ID, 1<<30)
						ip.Spec.Algorithm, ip.Spec.Window, user.Spec.Window = limit.GCRA, time.Second, time.Second
						q.Limits, q.UserLimits = []limit.Request{ip}, []limit.Request{user}
					}
					if a := f.Ask(b.Context(), q); a.Err != nil {
						b.Errorf("%+v", a)
						return
					}
				}
			})
		})
	}
}

var usecPattern = regexp.MustCompile(`cmdstat_evalsha:calls=\d+,usec=\d+,usec_per_call=([\d.]+)`)

// perScript is how long Redis worked on each script.
func perScript(b *testing.B, f *fixture) float64 {
	b.Helper()
	info, err := f.client.Info(context.Background(), "commandstats").Result()
	if err != nil {
		b.Fatal(err)
	}
	found := usecPattern.FindStringSubmatch(info)
	if found == nil {
		return 0
	}
	n, err := strconv.ParseFloat(found[1], 64)
	if err != nil {
		b.Fatal(err)
	}
	return n
}

// BenchmarkAskHere is a question that is answered here: the session is cached, and
// slices of both limits are in hand.
func BenchmarkAskHere(b *testing.B) {
	client := redistest.Start(b).Client()
	f := newFixture(b, client)
	f.cache(b, client)
	ip, user := f.byIP(100_000_000), byUser(f.user.ID, 100_000_000)
	for _, r := range []*limit.Request{&ip, &user} {
		r.Spec.Algorithm, r.Spec.Window, r.Lease = limit.FixedWindow, 400*24*time.Hour, 25_000_000
	}
	q := Query{Token: f.token, Limits: []limit.Request{ip}, UserLimits: []limit.Request{user}}
	f.Ask(b.Context(), q)
	f.heat(b, ip, user)
	b.ReportAllocs()
	for b.Loop() {
		if a := f.Ask(b.Context(), q); a.Err != nil || !a.UserLimits[0].Allowed {
			b.Fatalf("%+v", a)
		}
	}
}
