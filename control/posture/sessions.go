package posture

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"gatehouse/authz/login"
	"gatehouse/authz/session"
	"gatehouse/control/store"
)

// maxScanned bounds how many keys of Redis are looked at.
const maxScanned = 20_000

func (p *probe) needsRedis(t *trial) bool {
	if p.redis == nil {
		t.unknown("no Redis is known: pass --redis and REDIS_PASSWORD_FILE; a pack without redis-server keeps sessions in memory")
	}
	return p.redis != nil
}

// facts are the fields of an INFO section.
func facts(ctx context.Context, client *redis.Client, section string) (map[string]string, error) {
	text, err := client.Info(ctx, section).Result()
	if err != nil {
		return nil, err
	}
	all := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			all[name] = value
		}
	}
	return all, nil
}

func realRedis(ctx context.Context, p *probe, t *trial) {
	if p.target.Processes != nil && p.redis == nil {
		// up.json names a Redis, and there is no server's socket: the substitute.
		t.saw("redis.conf's socket in "+p.target.StateDir, "none", "state folder")
		t.fail("sessions live in the memory of `gatehouse up` and end with it: install redis-server")
		return
	}
	if !p.needsRedis(t) {
		return
	}
	if err := p.primaries(ctx, func(ctx context.Context, node *redis.Client) error { return realServer(ctx, node, t) }); err != nil {
		t.unknown("%v", err)
	}
}

func realServer(ctx context.Context, node *redis.Client, t *trial) error {
	server, err := facts(ctx, node, "server")
	if err != nil {
		return fmt.Errorf("INFO server: %w", err)
	}
	t.saw("INFO server", "redis_version "+server["redis_version"]+", process "+server["process_id"], "Redis")
	t.want(server["redis_version"] != "", "this is no redis-server")
	disk, err := facts(ctx, node, "persistence")
	if err != nil {
		return fmt.Errorf("INFO persistence: %w", err)
	}
	t.saw("INFO persistence", "aof_enabled "+disk["aof_enabled"]+", aof_last_write_status "+disk["aof_last_write_status"], "Redis")
	t.want(disk["aof_enabled"] == "1", "appendonly is off: a crash of Redis signs everybody out")
	t.want(disk["aof_enabled"] != "1" || disk["aof_last_write_status"] == "ok", "the append-only file is not written")
	return nil
}

func redisPassword(ctx context.Context, p *probe, t *trial) {
	if !p.needsRedis(t) {
		return
	}
	err := p.primaries(ctx, func(ctx context.Context, node *redis.Client) error {
		options := *node.Options()
		options.Password, options.Username, options.CredentialsProvider = "", "", nil
		stranger := redis.NewClient(&options)
		defer func() { _ = stranger.Close() }()
		err := stranger.Ping(ctx).Err()
		switch {
		case err == nil:
			t.saw("PING without a password", "PONG", "Redis")
			t.fail("whoever reaches Redis may read and write it: set requirepass")
		case strings.Contains(err.Error(), "NOAUTH"):
			t.saw("PING without a password", err.Error(), "Redis")
		default:
			return err
		}
		return nil
	})
	if err != nil {
		t.unknown("PING without a password: %v", err)
	}
}

func hashedTokens(ctx context.Context, p *probe, t *trial) {
	if !p.needsRedis(t) {
		return
	}
	c, ok := p.shared(ctx, t)
	if !ok {
		return
	}
	key, field, err := session.Where(c.token)
	if err != nil {
		t.unknown("the token: %v", err)
		return
	}
	there, err := p.redis.HExists(ctx, key, field).Result()
	if err != nil {
		t.unknown("HEXISTS: %v", err)
		return
	}
	t.saw("HEXISTS of the SHA-256 of a token just given, among the user's sessions", fmt.Sprint(there), "Redis")
	t.want(there, "the session is not in this Redis")
	record, err := p.redis.HGetAll(ctx, key).Result()
	if err != nil {
		t.unknown("HGETALL: %v", err)
		return
	}
	t.saw("HGETALL of it", fmt.Sprintf("%d fields, the token in %d of them", len(record), holding(record, c.token)), "Redis")
	t.want(holding(record, c.token) == 0, "the record holds the token")
	seen, found, err := p.scan(ctx, "*", func(key string) bool { return strings.Contains(key, c.token) })
	if err != nil {
		t.unknown("SCAN: %v", err)
		return
	}
	t.saw("SCAN for the token among the names", fmt.Sprintf("%d of %d keys", found, seen), "Redis")
	t.want(found == 0, "a key has the token in its name")
}

func holding(record map[string]string, text string) int {
	n := 0
	for name, value := range record {
		if strings.Contains(name, text) || strings.Contains(value, text) {
			n++
		}
	}
	return n
}

// scan counts keys, and those that match, up to maxScanned.
func (p *probe) scan(ctx context.Context, pattern string, match func(string) bool) (seen, found int, err error) {
	err = p.primaries(ctx, func(ctx context.Context, node *redis.Client) error {
		keys := node.Scan(ctx, 0, pattern, 500).Iterator()
		for seen < maxScanned && keys.Next(ctx) {
			seen++
			if match(keys.Val()) {
				found++
			}
		}
		return keys.Err()
	})
	return seen, found, err
}

func expiringSessions(ctx context.Context, p *probe, t *trial) {
	if !p.needsRedis(t) {
		return
	}
	c, ok := p.shared(ctx, t)
	if !ok {
		return
	}
	key, _, err := session.Where(c.token)
	if err != nil {
		t.unknown("the token: %v", err)
		return
	}
	left, err := p.redis.PTTL(ctx, key).Result()
	if err != nil {
		t.unknown("PTTL: %v", err)
		return
	}
	t.saw("PTTL of a session just begun", left.Round(time.Second).String(), "Redis")
	t.want(left > 0, "the session does not expire")
}

// state asks the protected endpoint with the given header.
func (p *probe) protected(ctx context.Context, t *trial, what string, header map[string]string) (answered, bool) {
	if !p.target.Routes.Protected.Known() {
		t.absent("no route requires a session: pass --protected if one does")
		return answered{}, false
	}
	a, ok := p.ask(ctx, t, request{base: p.site(), route: p.target.Routes.Protected, header: header})
	if ok {
		t.saw("GET "+p.site()+p.target.Routes.Protected.Path+" "+what, a.String(), "response")
	}
	return a, ok
}

func endedSessions(ctx context.Context, p *probe, t *trial) {
	c, ok := p.session(ctx, t)
	if !ok {
		return
	}
	if a, ok := p.protected(ctx, t, "with a new session", bearer(c.token)); ok {
		t.want(a.status != http.StatusUnauthorized, "a new session is answered with %s", a)
	}
	out, err := p.signOut(ctx, c)
	if err != nil {
		t.unknown("sign-out: %v", err)
		return
	}
	t.saw("POST /auth/logout", out.String(), "response")
	if a, ok := p.protected(ctx, t, "with it after the sign-out", bearer(c.token)); ok {
		t.want(a.status == http.StatusUnauthorized, "after the sign-out it is answered with %s", a)
	}
}

func protectedEndpoint(ctx context.Context, p *probe, t *trial) {
	for what, h := range map[string]map[string]string{
		"without a session":         nil,
		"with a made-up token":      bearer("ghs_posture"),
		"with a made-up cookie":     {"Cookie": "__Host-gatehouse=ghs_posture"},
		"with a scheme of no sense": {"Authorization": "Basic cG9zdHVyZTpwb3N0dXJl"},
	} {
		if a, ok := p.protected(ctx, t, what, h); ok {
			t.want(a.status == http.StatusUnauthorized && isProblem(a), "%s it is answered with %s", what, a)
		}
	}
}

func foreignIdentity(ctx context.Context, p *probe, t *trial) {
	for _, name := range []string{"x-gatehouse-subject", "X-Gatehouse-Assertion", "x_gatehouse_subject"} {
		a, err := p.send(ctx, request{base: p.site(), route: p.target.Routes.Protected, header: map[string]string{name: "posture"}})
		switch {
		case !p.target.Routes.Protected.Known():
			t.absent("no route requires a session: pass --protected if one does")
			return
		case err != nil:
			t.unknown("%v", err)
			return
		}
		t.saw("GET "+p.site()+p.target.Routes.Protected.Path+" with "+name+": posture", a.String(), "response")
		t.want(a.status == http.StatusUnauthorized || a.status == http.StatusBadRequest, "%s from outside is answered with %s", name, a)
	}
}

func hashedPasswords(ctx context.Context, p *probe, t *trial) {
	if p.target.Store == "" || p.target.Username == "" {
		t.unknown("no user store or user is known: pass --store and --username")
		return
	}
	if path, ok := strings.CutPrefix(p.target.Store, "sqlite:"); ok {
		if _, err := os.Stat(path); err != nil {
			t.unknown("the user store: %v", err) // opening it would make one
			return
		}
	}
	users, err := store.Open(ctx, store.Options{URL: p.target.Store, LivePassword: p.target.StorePassword})
	if err != nil {
		t.unknown("%v", err)
		return
	}
	defer func() { _ = users.Close() }()
	user, err := users.UserByName(ctx, p.target.Username)
	if errors.Is(err, login.ErrNoUser) {
		t.unknown("the store has no user %s", p.target.Username)
		return
	}
	if err != nil {
		t.unknown("%v", err)
		return
	}
	scheme, _, _ := strings.Cut(strings.TrimPrefix(user.PasswordHash, "$"), "$")
	if !strings.HasPrefix(user.PasswordHash, "$") {
		scheme = "no hash"
	}
	t.saw("password_hash of "+p.target.Username, scheme, "user store")
	t.want(scheme == "argon2id", "the password of %s is stored as %s", p.target.Username, scheme)
}
