package redisauth

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// Tuning is what a client does with its connections.
type Tuning struct {
	Name                            string
	PoolSize                        int // to each node
	Dial, Read, Write, WaitForAConn time.Duration
}

// Open makes a client of whatever the URL names. It does not connect. Beside
// redis://, rediss:// (TLS) and unix://, it reads
//
//	redis-cluster://HOST:PORT,HOST:PORT            a Cluster, by some of its nodes
//	redis-sentinel://HOST:PORT,HOST:PORT/NAME      the primary that Sentinels call NAME; ?db=N
//
// and both with rediss- for TLS. TLS takes ?ca_file=PATH, and ?cert_file= and
// ?key_file= for a client's certificate. Commands are never sent twice: a second
// try would take time that the caller no longer has, and a limit would count twice.
func (o Options) Open(t Tuning) (redis.UniversalClient, error) {
	place, err := read(trimmed(o.URL))
	if err != nil {
		return nil, err
	}
	options, err := o.Parse()
	if err != nil {
		return nil, err
	}
	if place.kind == cluster && options.DB != 0 {
		return nil, fmt.Errorf("the Redis URL names database %d: a Cluster has database 0 only", options.DB)
	}
	if options.TLSConfig != nil {
		if options.TLSConfig, err = place.tls(options.TLSConfig); err != nil {
			return nil, err
		}
	}
	options.PoolSize, options.ClientName = t.PoolSize, t.Name
	options.DialTimeout, options.ReadTimeout, options.WriteTimeout, options.PoolTimeout = t.Dial, t.Read, t.Write, t.WaitForAConn
	options.ContextTimeoutEnabled, options.MaxRetries, options.DialerRetries = true, -1, 1
	switch place.kind {
	case cluster:
		return redis.NewClusterClient(place.cluster(options)), nil
	case sentinel:
		return redis.NewFailoverClient(place.failover(options)), nil
	default:
		return redis.NewClient(options), nil
	}
}

type kind int

const (
	single kind = iota
	cluster
	sentinel
)

// place is where a URL says that Redis is.
type place struct {
	kind            kind
	url             string // as go-redis reads it, of the first address
	addresses       []string
	primary         string
	ca, cert, ckey  string
	sentinelsSecret string
}

func read(text string) (place, error) {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok {
		return place{}, errors.New("the Redis URL cannot be read: it has no scheme: write redis://host:port/db or unix:///path.sock")
	}
	p := place{url: text}
	base, suffix, _ := strings.Cut(scheme, "-")
	switch suffix {
	case "":
		if base == "unix" {
			return p, nil
		}
	case "cluster":
		p.kind = cluster
	case "sentinel":
		p.kind = sentinel
	default:
		return place{}, fmt.Errorf("the Redis URL cannot be read: unknown scheme %.40q: write redis, rediss, unix, redis-cluster or redis-sentinel", scheme)
	}
	return p, p.split(base, rest)
}

// split takes the list of addresses apart, which net/url does not.
func (p *place) split(scheme, rest string) error {
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	authority, tail := rest[:end], rest[end:]
	user := authority[:strings.LastIndexByte(authority, '@')+1]
	p.addresses = strings.Split(authority[len(user):], ",")
	u, err := url.Parse(scheme + "://" + user + p.addresses[0] + tail)
	if err != nil {
		return fmt.Errorf("the Redis URL cannot be read: %w: write redis://host:port/db", withoutURL(err))
	}
	if p.kind == single && len(p.addresses) > 1 {
		return errors.New("the Redis URL has several addresses: write redis-cluster:// or redis-sentinel://")
	}
	for i, address := range p.addresses {
		if _, _, err := net.SplitHostPort(address); err != nil && p.kind != single {
			return fmt.Errorf("the Redis URL cannot be read: address %d of its list has no port: write HOST:PORT,HOST:PORT", i+1)
		}
	}
	q := u.Query()
	take := func(name string) string {
		value := q.Get(name)
		q.Del(name)
		return value
	}
	p.ca, p.cert, p.ckey = take("ca_file"), take("cert_file"), take("key_file")
	if p.kind == sentinel {
		p.primary = strings.Trim(u.Path, "/")
		u.Path = "/" + take("db")
		p.sentinelsSecret = take("sentinel_password")
		if p.primary == "" {
			return errors.New("the Redis URL names no primary: write redis-sentinel://HOST:PORT,HOST:PORT/NAME")
		}
	}
	u.RawQuery = q.Encode()
	p.url = u.String()
	return nil
}

func (p place) tls(from *tls.Config) (*tls.Config, error) {
	out := from.Clone()
	out.MinVersion = tls.VersionTLS12
	if p.kind != single {
		out.ServerName = "" // each node's own: go-redis takes it from the address
	}
	if p.ca != "" {
		pem, err := os.ReadFile(p.ca)
		if err != nil {
			return nil, fmt.Errorf("the Redis URL's ca_file: %w", err)
		}
		out.RootCAs = x509.NewCertPool()
		if !out.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("the Redis URL's ca_file %s holds no certificate in PEM", p.ca)
		}
	}
	if p.cert != "" || p.ckey != "" {
		own, err := tls.LoadX509KeyPair(p.cert, p.ckey)
		if err != nil {
			return nil, fmt.Errorf("the Redis URL's cert_file and key_file: %w", err)
		}
		out.Certificates = []tls.Certificate{own}
	}
	return out, nil
}

// reloadClusterEvery is how soon a client learns of a failover that no node has
// told it of.
const reloadClusterEvery = 500 * time.Millisecond

func (p place) cluster(o *redis.Options) *redis.ClusterOptions {
	return &redis.ClusterOptions{
		Addrs: p.addresses, ClientName: o.ClientName,
		Username: o.Username, Password: o.Password, CredentialsProvider: o.CredentialsProvider,
		MaxRetries: o.MaxRetries, DialerRetries: o.DialerRetries, MaxRedirects: 3,
		DialTimeout: o.DialTimeout, ReadTimeout: o.ReadTimeout, WriteTimeout: o.WriteTimeout, ContextTimeoutEnabled: true,
		PoolSize: o.PoolSize, PoolTimeout: o.PoolTimeout, TLSConfig: o.TLSConfig,
		ClusterStateReloadInterval: reloadClusterEvery,
	}
}

func (p place) failover(o *redis.Options) *redis.FailoverOptions {
	return &redis.FailoverOptions{
		MasterName: p.primary, SentinelAddrs: p.addresses, SentinelPassword: p.sentinelsSecret, ClientName: o.ClientName,
		Username: o.Username, Password: o.Password, CredentialsProvider: o.CredentialsProvider, DB: o.DB,
		MaxRetries: o.MaxRetries, DialerRetries: o.DialerRetries,
		DialTimeout: o.DialTimeout, ReadTimeout: o.ReadTimeout, WriteTimeout: o.WriteTimeout, ContextTimeoutEnabled: true,
		PoolSize: o.PoolSize, PoolTimeout: o.PoolTimeout, TLSConfig: o.TLSConfig,
	}
}
