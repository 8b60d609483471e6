package redisauth

import (
	"crypto/rand"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"gatehouse/authz/internal/redistest"
	"gatehouse/authz/secret"
)

var patient = Tuning{PoolSize: 2, Dial: 2 * time.Second, Read: 2 * time.Second, Write: 2 * time.Second}

func TestRedisIsReachedOverTLSWithCertificatesOfBothSides(t *testing.T) {
	t.Parallel()
	server := redistest.StartTLS(t)
	other := redistest.StartTLS(t)
	at := "rediss://" + server.Addr + "/0"
	mine := "&cert_file=" + server.Cert + "&key_file=" + server.Key
	for name, test := range map[string]struct {
		url   string
		works bool
	}{
		"its own authority and a certificate":  {at + "?ca_file=" + server.CA + mine, true},
		"no certificate":                       {at + "?ca_file=" + server.CA, false},
		"another authority":                    {at + "?ca_file=" + other.CA + mine, false},
		"the system's authorities":             {at + "?" + mine[1:], false},
		"a certificate of another authority's": {at + "?ca_file=" + server.CA + "&cert_file=" + other.Cert + "&key_file=" + other.Key, false},
		"without TLS":                          {"redis://" + server.Addr, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, err := Options{URL: secret.New([]byte(test.url))}.Open(patient)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = client.Close() }()
			if err := client.Ping(t.Context()).Err(); (err == nil) != test.works {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestAURLNamesAServerSentinelsOrACluster(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]place{
		"redis://h:1/2":                                      {kind: single, addresses: []string{"h:1"}, url: "redis://h:1/2"},
		"redis-cluster://u:p@a:1,b:2":                        {kind: cluster, addresses: []string{"a:1", "b:2"}, url: "redis://u:p@a:1"},
		"rediss-cluster://a:1,[::1]:2?ca_file=/x":            {kind: cluster, addresses: []string{"a:1", "[::1]:2"}, url: "rediss://a:1", ca: "/x"},
		"redis-sentinel://a:1,b:2/main?db=3":                 {kind: sentinel, addresses: []string{"a:1", "b:2"}, url: "redis://a:1/3", primary: "main"},
		"redis-sentinel://a:1/main?sentinel_password=" + "x": {kind: sentinel, addresses: []string{"a:1"}, url: "redis://a:1/", primary: "main", sentinelsSecret: "x"},
	} {
		got, err := read(url)
		if err != nil || got.kind != want.kind || !slices.Equal(got.addresses, want.addresses) || got.url != want.url ||
			got.primary != want.primary || got.ca != want.ca || got.sentinelsSecret != want.sentinelsSecret {
			t.Errorf("%s: %+v, %v", url, got, err)
		}
	}
}

func TestAURLThatCannotBeMeantIsRefusedWithoutItsPassword(t *testing.T) {
	t.Parallel()
	pw := rand.Text()
	for url, want := range map[string]string{
		"nowhere":                                         "no scheme",
		"redis-ring://u:" + pw + "@a:1":                   "unknown scheme",
		"redis://u:" + pw + "@a:1,b:2":                    "redis-cluster://",
		"redis-cluster://u:" + pw + "@a,b":                "no port",
		"redis-cluster://u:" + pw + "@a:1/2":              "database 0 only",
		"redis-sentinel://u:" + pw + "@a:1":               "names no primary",
		"redis-sentinel://u:" + pw + "@a:1/m?x=1":         "cannot be read",
		"rediss://u:" + pw + "@a:1?ca_file=/no/such/file": "ca_file",
		"rediss://a:1?cert_file=/no/such/file":            "cert_file",
	} {
		client, err := Options{URL: secret.New([]byte(url))}.Open(patient)
		if err == nil {
			_ = client.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), pw) {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestEachKindOfURLGetsItsClient(t *testing.T) {
	t.Parallel()
	open := func(url string) redis.UniversalClient {
		client, err := Options{URL: secret.New([]byte(url)), Password: secret.New([]byte("own"))}.Open(patient)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = client.Close() })
		return client
	}
	if c, ok := open("redis-cluster://a:1,b:2").(*redis.ClusterClient); !ok || c.Options().Password != "own" || c.Options().MaxRetries > 0 {
		t.Errorf("a Cluster's is %T", c)
	}
	if c, ok := open("redis-sentinel://a:1/m").(*redis.Client); !ok || c.Options().Password != "own" || c.Options().MaxRetries > 0 {
		t.Errorf("a Sentinel's is %T", c)
	}
}

// six cluster nodes and three Sentinels that speak nothing but TLS.
func TestAClusterAndSentinelsAreReachedOverTLS(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(*testing.T) (url string, files *redistest.Files){
		"a Cluster": func(t *testing.T) (string, *redistest.Files) {
			t.Helper()
			c := redistest.StartClusterTLS(t)
			return c.URL(), c.Files
		},
		"Sentinels": func(t *testing.T) (string, *redistest.Files) {
			t.Helper()
			s := redistest.StartSentinelsTLS(t)
			return s.URL(), s.Files
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, files := start(t)
			bare, _, _ := strings.Cut(url, "?")
			for what, test := range map[string]struct {
				url   string
				works bool
			}{
				"with a certificate":       {url, true},
				"without one":              {bare + "?ca_file=" + files.CA, false},
				"the system's authorities": {bare + "?cert_file=" + files.Cert + "&key_file=" + files.Key, false},
				"in clear":                 {strings.Replace(bare, "rediss-", "redis-", 1), false},
			} {
				client, err := Options{URL: secret.New([]byte(test.url))}.Open(patient)
				if err != nil {
					t.Fatal(err)
				}
				// Keys of several slots: every node that is led to is reached by TLS, too.
				for _, key := range []string{"a", "b", "c", "d"} {
					if err := client.Set(t.Context(), key, what, 0).Err(); (err == nil) != test.works {
						t.Errorf("%s: %v", what, err)
					}
				}
				_ = client.Close() // nothing was to be reached by some
			}
		})
	}
}
