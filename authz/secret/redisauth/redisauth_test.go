package redisauth

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"gatehouse/authz/internal/redistest"
	"gatehouse/authz/secret"
)

func value(text string) secret.Value { return secret.New([]byte(text)) }

func file(t *testing.T, text string) (path string, live *secret.Live) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "secret")
	put(t, path, text)
	live, err := secret.OpenLive(secret.File{Name: "REDIS", Path: path}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return path, live
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func TestThePasswordIsTheNewestOfItsPlace(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name                string
		url, password       string // fixed
		liveURL, livePass   []string
		wantUser, wantFirst string
		wantThen            string
	}{
		{"none", "redis://r:1/0", "", nil, nil, "", "", ""},
		{"of the URL", "redis://u:one@r:1/0", "", nil, nil, "u", "one", "one"},
		{"before the URL's", "redis://u:one@r:1/0", "two", nil, nil, "u", "two", "two"},
		{"of a file", "redis://u:one@r:1/0", "two", nil, []string{"two", "three"}, "u", "two", "three"},
		{"with a line break", "redis://r:1/0", "two", nil, []string{"two\n", "three\n"}, "", "two", "three"},
		{"of the URL's file", "redis://u:one@r:1/0", "", []string{"redis://u:one@r:1/0", "redis://u:two@elsewhere:1/0"}, nil, "u", "one", "two"},
		{"before the URL's file", "redis://u:one@r:1/0", "own", []string{"redis://u:one@r:1/0", "redis://u:two@r:1/0"}, nil, "u", "own", "own"},
		{"of a URL's file that is bad now", "redis://u:one@r:1/0", "", []string{"redis://u:one@r:1/0", "://:two"}, nil, "u", "one", "one"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			o := Options{URL: value(test.url), Password: value(test.password)}
			var changes []func()
			for _, live := range []struct {
				texts []string
				into  **secret.Live
			}{{test.liveURL, &o.LiveURL}, {test.livePass, &o.LivePassword}} {
				if live.texts == nil {
					continue
				}
				path, l := file(t, live.texts[0])
				*live.into = l
				changes = append(changes, func() { put(t, path, live.texts[1]) })
			}
			options, err := o.Parse()
			if err != nil {
				t.Fatal(err)
			}
			ask := func() (string, string) {
				if options.CredentialsProvider != nil {
					return options.CredentialsProvider()
				}
				return options.Username, options.Password
			}
			if user, password := ask(); user != test.wantUser || password != test.wantFirst {
				t.Errorf("at first %q %q", user, password)
			}
			for _, change := range changes {
				change()
			}
			if user, password := ask(); user != test.wantUser || password != test.wantThen {
				t.Errorf("then %q %q", user, password)
			}
			if options.Addr != "r:1" {
				t.Errorf("the address became %s", options.Addr)
			}
		})
	}
}

func TestABadURLIsRefusedWithoutItsPassword(t *testing.T) {
	t.Parallel()
	_, err := Options{URL: value("redis://:" + "hunter2@r:no")}.Parse()
	if err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "write redis://") {
		t.Errorf("%v", err)
	}
}

func TestAPasswordThatIsChangedNeedsNoRestart(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	admin := redis.NewClient(&redis.Options{Network: "unix", Addr: server.Socket()})
	defer func() { _ = admin.Close() }()
	if err := admin.ConfigSet(ctx, "requirepass", "one").Err(); err != nil {
		t.Fatal(err)
	}
	path, live := file(t, "one")
	options, err := Options{URL: value("unix://" + server.Socket()), Password: live.Value(), LivePassword: live}.Parse()
	if err != nil {
		t.Fatal(err)
	}
	options.MaxRetries = -1
	client := redis.NewClient(options)
	defer func() { _ = client.Close() }()
	if err := client.Ping(ctx).Err(); err != nil {
		t.Fatal(err)
	}
	if err := admin.ConfigSet(ctx, "requirepass", "two").Err(); err != nil {
		t.Fatal(err)
	}
	put(t, path, "two")
	if err := client.Ping(ctx).Err(); err != nil {
		t.Errorf("an open connection was lost: %v", err)
	}
	// All connections go, as with a restart of Redis.
	if err := admin.ClientKillByFilter(ctx, "TYPE", "normal", "SKIPME", "yes").Err(); err != nil {
		t.Fatal(err)
	}
	for {
		err := client.Ping(ctx).Err()
		if err == nil {
			break
		}
		if strings.Contains(err.Error(), "WRONGPASS") || ctx.Err() != nil {
			t.Fatalf("a new connection: %v", err)
		}
	}
}
