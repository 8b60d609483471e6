package posture

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"gatehouse/authz/secret/redisauth"
)

const redisWithin = 2 * time.Second

// probe is what the checks of one run share.
type probe struct {
	target Target
	client *http.Client
	redis  redis.UniversalClient // nil if no Redis is known

	signedIn *credential // the session that several checks use
	signFail error       // why there is none
}

// credential is a session that a check began.
type credential struct{ token string }

func newProbe(target Target) (*probe, error) {
	client, err := newClient(target.CAFile)
	if err != nil {
		return nil, err
	}
	p := &probe{target: target, client: client}
	if target.RedisURL.Empty() {
		return p, nil
	}
	p.redis, err = redisauth.Options{URL: target.RedisURL, Password: target.RedisPassword}.Open(redisauth.Tuning{
		Name: "gatehouse-posture", PoolSize: 1, Dial: redisWithin, Read: redisWithin, Write: redisWithin, WaitForAConn: redisWithin,
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

// close ends what was begun, also after ctx of the run has ended.
func (p *probe) close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	if p.signedIn != nil {
		_, _ = p.signOut(ctx, *p.signedIn) // it expires by itself
	}
	if p.redis != nil {
		_ = p.redis.Close()
	}
	p.client.CloseIdleConnections()
}

// primaries does something at each server that holds keys: one, or all primaries
// of a Cluster, one after another.
func (p *probe) primaries(ctx context.Context, do func(context.Context, *redis.Client) error) error {
	var one sync.Mutex
	do1 := func(ctx context.Context, node *redis.Client) error {
		one.Lock()
		defer one.Unlock()
		return do(ctx, node)
	}
	switch client := p.redis.(type) {
	case *redis.ClusterClient:
		return client.ForEachMaster(ctx, do1)
	case *redis.Client:
		return do1(ctx, client)
	default:
		return fmt.Errorf("a client of a kind that is not known: %T", client)
	}
}

// open is the listener for what needs no session: in clear where there is one.
func (p *probe) open() string {
	if p.target.HTTP != "" {
		return p.target.HTTP
	}
	return p.target.HTTPS
}

// site is the listener to sign in at: TLS where there is one.
func (p *probe) site() string {
	if p.target.HTTPS != "" {
		return p.target.HTTPS
	}
	return p.target.HTTP
}

func (p *probe) signIn(ctx context.Context, username, password string) (answered, error) {
	body, err := json.Marshal(map[string]any{"username": username, "password": password, "token": true})
	if err != nil {
		return answered{}, err
	}
	return p.send(ctx, request{
		method: http.MethodPost, base: p.site(), route: Route{Host: p.target.Routes.Protected.Host, Path: "/auth/login"},
		header: map[string]string{"Content-Type": "application/json", "Accept": "application/json"}, body: body,
	})
}

func (p *probe) signOut(ctx context.Context, c credential) (answered, error) {
	return p.send(ctx, request{
		method: http.MethodPost, base: p.site(), route: Route{Host: p.target.Routes.Protected.Host, Path: "/auth/logout"},
		header: bearer(c.token),
	})
}

func bearer(token string) map[string]string {
	return map[string]string{"Authorization": "Bearer " + token}
}

// session begins a session, or says in t why there is none.
func (p *probe) session(ctx context.Context, t *trial) (credential, bool) {
	if p.target.Username == "" || p.target.Password.Empty() {
		t.unknown("nobody may sign in here: pass --username and --password-file")
		return credential{}, false
	}
	a, err := p.signIn(ctx, p.target.Username, p.target.Password.RevealString())
	var answer struct {
		Token string `json:"token"`
	}
	if err == nil && (a.status != http.StatusOK || json.Unmarshal(a.body, &answer) != nil || answer.Token == "") {
		err = fmt.Errorf("answered with %s", a)
	}
	if err != nil {
		t.unknown("sign-in as %s: %v", p.target.Username, err)
		return credential{}, false
	}
	return credential{answer.Token}, true
}

// shared is the one session that checks use and do not end.
func (p *probe) shared(ctx context.Context, t *trial) (credential, bool) {
	if p.signedIn != nil {
		return *p.signedIn, true
	}
	if p.signFail != nil {
		t.unknown("%v", p.signFail)
		return credential{}, false
	}
	c, ok := p.session(ctx, t)
	if !ok {
		p.signFail = errors.New(t.reasons[len(t.reasons)-1])
		return c, false
	}
	p.signedIn = &c
	return c, true
}
