package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"github.com/redis/go-redis/v9"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"gatehouse/authz/session"
	"gatehouse/e2e/pack"
)

// contender is one line of the table.
type contender struct {
	name    string
	clients []authv3.AuthorizationClient
	policy  string
	tokens  []string
	next    atomic.Int64

	rates []float64
	p99s  []time.Duration
	costs []float64 // processor time of the server, in µs a request
	pid   int
	late  int // answers that say that Redis did not answer in time
}

func compare(ctx context.Context, s settings, store string, client *redis.Client) error {
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	dir := filepath.Dir(store)
	tokens, err := signIn(ctx, client, s.users)
	if err != nil {
		return err
	}
	var all []*contender
	for _, kind := range []string{"trivial", "authz"} {
		path := filepath.Join(dir, kind+".sock")
		pid, stop, err := process(ctx, program, "-serve", kind, "-socket", path, "-redis", store)
		if err != nil {
			return err
		}
		defer stop()
		clients, err := connect(ctx, path, s.conns)
		if err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
		if kind == "trivial" {
			all = append(all, &contender{pid: pid, name: "says OK to everything", clients: clients, policy: "cached", tokens: tokens})
			continue
		}
		all = append(all,
			&contender{pid: pid, name: "hot users, cached", clients: clients, policy: "cached", tokens: tokens[:s.hot]},
			&contender{pid: pid, name: "unique users, Redis each", clients: clients, policy: "cached", tokens: tokens},
			&contender{pid: pid, name: "hot users, cache: off", clients: clients, policy: "fresh", tokens: tokens[:s.hot]})
	}
	if only := os.Getenv("ONLY"); only != "" {
		all = all[only[0]-'0' : only[0]-'0'+1]
	}
	for round := range s.rounds + 1 {
		for _, c := range all {
			if err := c.turn(ctx, s, round > 0); err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
		}
	}
	return table(all)
}

func signIn(ctx context.Context, client *redis.Client, users int) ([]string, error) {
	m := session.New(client, time.Now, rand.Reader)
	tokens := make([]string, users)
	var wg sync.WaitGroup
	var failed atomic.Pointer[error]
	for worker := range 16 {
		wg.Go(func() {
			for i := worker; i < users; i += 16 {
				token, _, err := m.Create(ctx, userOf(i), session.Grant{
					Idle: time.Hour, Absolute: time.Hour, AMR: []string{"pwd"}, Device: "Firefox on Linux", Network: "192.0.2.0/24",
				})
				if err != nil {
					failed.Store(&err)
					return
				}
				tokens[i] = token
			}
		})
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		return nil, *err
	}
	return tokens, nil
}

func userOf(i int) session.User {
	return session.User{ID: fmt.Sprintf("018f2b6e-7c1a-7f3e-9d52-%012x", i), Name: fmt.Sprintf("user%07d@example.com", i)}
}

func connect(ctx context.Context, path string, n int) ([]authv3.AuthorizationClient, error) {
	var clients []authv3.AuthorizationClient
	for range n {
		conn, err := grpc.NewClient("unix://"+path, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			return nil, fmt.Errorf("connect: %w", err)
		}
		clients = append(clients, authv3.NewAuthorizationClient(conn))
	}
	return clients, until(ctx, func(ctx context.Context) error {
		_, err := clients[0].Check(ctx, request("", ""))
		return err
	}, path)
}

func request(policy, token string) *authv3.CheckRequest {
	return &authv3.CheckRequest{Attributes: &authv3.AttributeContext{
		ContextExtensions: map[string]string{"policy": policy, "policy_version": "bench"},
		Request: &authv3.AttributeContext_Request{Http: &authv3.AttributeContext_HttpRequest{
			Method: "GET", Path: "/api/things?page=2", Host: "app.example.com", Headers: map[string]string{
				":method": "GET", ":path": "/api/things?page=2", ":authority": "app.example.com",
				"user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0", "accept": "*/*",
				"accept-language": "en", "x-request-id": "018f2b6e-7c1a-7f3e-9d52-000000000001",
				"cookie": "theme=dark; __Host-gatehouse=" + token,
			},
		}},
	}}
}

// turn loads one contender, and counts unless it warms up.
func (c *contender) turn(ctx context.Context, s settings, counts bool) error {
	ctx, cancel := context.WithTimeout(ctx, s.turn+10*time.Second)
	defer cancel()
	end := time.Now().Add(s.turn)
	took := make([][]time.Duration, s.callers)
	errs := make([]error, s.callers)
	late := make([]int, s.callers)
	before, err := pack.CPUTime(c.pid)
	if err != nil {
		return err
	}
	begun := time.Now()
	var wg sync.WaitGroup
	for i := range s.callers {
		wg.Go(func() {
			client := c.clients[i%len(c.clients)]
			for now := time.Now(); now.Before(end); {
				token := c.tokens[int(c.next.Add(1))%len(c.tokens)]
				out, err := client.Check(ctx, request(c.policy, token))
				if out.GetDeniedResponse().GetStatus().GetCode() == typev3.StatusCode_ServiceUnavailable {
					late[i]++
					now = time.Now()
					continue
				}
				if err != nil || out.GetOkResponse() == nil {
					errs[i] = fmt.Errorf("refused: %w, %v", err, out)
					return
				}
				after := time.Now()
				took[i] = append(took[i], after.Sub(now))
				now = after
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	for _, n := range late {
		c.late += n
	}
	used, err := pack.CPUTime(c.pid)
	if err != nil {
		return err
	}
	if counts {
		all := slices.Concat(took...)
		slices.Sort(all)
		c.rates = append(c.rates, float64(len(all))/time.Since(begun).Seconds())
		c.costs = append(c.costs, float64((used-before).Microseconds())/float64(len(all)))
		c.p99s = append(c.p99s, all[len(all)*99/100])
	}
	return nil
}

func table(all []*contender) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "\trequests/s\tratio\tp99\tratio\tserver's CPU\t503")
	base := all[0]
	for _, c := range all {
		_, _ = fmt.Fprintf(w, "%s\t%.0f\t%.2f\t%s\t%.2f\t%.0f µs\t%d\n", c.name, median(c.rates), paired(c.rates, base.rates),
			median(c.p99s).Round(10*time.Microsecond), paired(c.p99s, base.p99s), pack.LowerQuartile(c.costs), c.late)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

// paired is the median of the ratios of each round: what else the machine does in a
// round hits both.
func paired[T float64 | time.Duration](values, to []T) float64 {
	ratios := make([]float64, len(values))
	for i := range values {
		ratios[i] = float64(values[i]) / float64(to[i])
	}
	return median(ratios)
}

func median[T float64 | time.Duration](values []T) T {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
