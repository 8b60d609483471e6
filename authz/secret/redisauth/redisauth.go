// Package redisauth gives a Redis client its password anew at each connection,
// so that a password that is changed in its file needs no restart.
//
// It promises that connections which are open stay open, and that a bad new file
// leaves the last good password in use. It does not try an old password when the
// new one is refused: change Redis first, or let it accept both for a while.
package redisauth

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/redis/go-redis/v9"

	"gatehouse/authz/secret"
)

// Options say how to reach Redis and by which password. The URL is a secret
// because it may carry a password.
type Options struct {
	URL, Password secret.Value
	// LiveURL and LivePassword, where set, are what URL and Password were read
	// from. Of the URL only the user and the password are followed.
	LiveURL, LivePassword *secret.Live
}

// Parse reads the URL. A password of its own goes before the URL's.
func (o Options) Parse() (*redis.Options, error) {
	options, err := parse(o.URL)
	if err != nil {
		return nil, err
	}
	if password := trimmed(o.Password); password != "" {
		options.Password = password
	}
	if o.LiveURL != nil || o.LivePassword != nil {
		first := credentials{options.Username, options.Password}
		options.CredentialsProvider = func() (string, string) { return o.current(first) }
	}
	return options, nil
}

type credentials struct{ user, password string }

func (o Options) current(first credentials) (user, password string) {
	if o.LiveURL != nil {
		// A URL that cannot be read any more changes nothing.
		if options, err := parse(o.LiveURL.Fresh()); err == nil {
			first = credentials{options.Username, options.Password}
		}
	}
	switch {
	case o.LivePassword != nil:
		first.password = trimmed(o.LivePassword.Fresh())
	case !o.Password.Empty():
		first.password = trimmed(o.Password)
	}
	return first.user, first.password
}

func parse(location secret.Value) (*redis.Options, error) {
	place, err := read(trimmed(location))
	if err != nil {
		return nil, err
	}
	options, err := redis.ParseURL(place.url)
	if err != nil {
		return nil, fmt.Errorf("the Redis URL cannot be read: %w: write redis://host:port/db or unix:///path.sock", withoutURL(err))
	}
	return options, nil
}

func trimmed(v secret.Value) string { return strings.TrimSpace(v.RevealString()) }

// withoutURL drops the text of the URL, and with it the password, from an error.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
