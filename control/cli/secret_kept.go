package cli

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/jackc/pgx/v5"

	"gatehouse/authz/assertion"
	"gatehouse/authz/event"
	"gatehouse/authz/secret"
	"gatehouse/authz/secret/redisauth"
	"gatehouse/control/api"
	"gatehouse/control/audit"
	"gatehouse/control/audit/seal"
	"gatehouse/control/policy"
)

// kept is one secret that Gatehouse reads.
type kept struct {
	name   string
	use    string
	needed bool
	path   string // where it is kept, once that is known
	// fits says what is wrong with the secret's form; it must not repeat it.
	fits func(secret.Value) error
}

// clientToken is the name of the secret that commands show to control.
const clientToken = "GATEHOUSE_TOKEN"

// keptSecrets are those that NAME_FILE names.
func keptSecrets() []kept {
	return []kept{
		{name: "REDIS_URL", use: "where Redis is", fits: fitsURL},
		{name: "REDIS_PASSWORD", use: "Redis", fits: atLeast(8)},
		{name: "GATEHOUSE_PSEUDONYM_KEY", use: "pseudonyms in events; authz and control share it", needed: true, fits: atLeast(event.MinPseudonymKey)},
		{name: "GATEHOUSE_ASSERTION_KEY", use: "signs what tells upstreams who is signed in; only authz has it", fits: atLeast(assertion.MinSecret)},
		{name: seal.MasterKeyName, use: "wraps the keys of people's readable fields", fits: fitsMaster},
		{name: "GATEHOUSE_AUDIT_KEY", use: "signs the audit log's checkpoints", fits: fitsAuditKey},
		{name: storePassword, use: "PostgreSQL", fits: atLeast(8)},
		{name: "GATEHOUSE_ADMIN_TOKEN", use: "an administrator of the API and the console", fits: atLeast(api.MinToken)},
		{name: clientToken, use: "the API, as the commands on this machine call it", fits: atLeast(api.MinToken)},
	}
}

// configuredSecrets are those whose files a policy file names.
func configuredSecrets(c *policy.Compiled) []kept {
	var all []kept
	add := func(name, use, path string, fits func(secret.Value) error) {
		if path != "" {
			all = append(all, kept{name: name, use: use, path: path, fits: fits})
		}
	}
	add("redis.url_file", "where Redis is", c.Redis.URLFile, fitsURL)
	add("redis.password_file", "Redis", c.Redis.PasswordFile, atLeast(8))
	if t := c.Envoy.TLS; t != nil {
		add("envoy.tls.key_file", "the private key of Envoy's certificate", t.KeyFile, fitsKeyOf(t.CertFile))
	}
	for _, t := range c.Control.API.Tokens {
		add("control.api.tokens."+t.Name, "the API, as "+t.Name+" with the role "+t.Role, t.TokenFile, atLeast(api.MinToken))
	}
	for _, s := range c.Alerts.Sinks {
		add("alerts.sinks."+s.Name, "signs what the "+s.Kind+" "+s.Name+" is told", s.SecretFile, atLeast(16))
		add("alerts.sinks."+s.Name, "the mail server of "+s.Name, s.PasswordFile, atLeast(8))
	}
	for _, system := range c.Privacy.Systems {
		add("privacy.systems."+system.Name+".url_file", "where the database "+system.Name+" is", system.Database.URLFile, fitsDatabaseURL)
		add("privacy.systems."+system.Name+".token_file", "the processor "+system.Name, system.Processor.TokenFile, atLeast(8))
	}
	return all
}

// sameSecrets notices one secret that is used for two things: who may know it
// for the one knows it for the other. It keeps hashes only.
type sameSecrets struct{ of map[[sha256.Size]byte]kept }

func (s *sameSecrets) add(k kept, v secret.Value) error {
	if k.name == clientToken {
		return nil // one of those that control takes
	}
	if s.of == nil {
		s.of = map[[sha256.Size]byte]kept{}
	}
	sum := sha256.Sum256(v.Reveal())
	first, known := s.of[sum]
	if !known {
		s.of[sum] = k
		return nil
	}
	if first.use == k.use {
		return nil // named twice
	}
	return fmt.Errorf("holds the same as %s: draw one for each, with: openssl rand -base64 32", first.name)
}

func atLeast(n int) func(secret.Value) error {
	return func(v secret.Value) error {
		text := v.Reveal()
		if len(text) < n {
			return fmt.Errorf("has %d bytes: give it at least %d, such as the output of: openssl rand -base64 32", len(text), n)
		}
		if decoded, err := base64.StdEncoding.DecodeString(string(text)); err == nil && allSame(decoded) || allSame(text) {
			return errors.New("is one byte again and again: draw it with: openssl rand -base64 32")
		}
		return nil
	}
}

func allSame(text []byte) bool {
	for _, b := range text {
		if b != text[0] {
			return false
		}
	}
	return len(text) > 0
}

func fitsURL(v secret.Value) error {
	if _, err := (redisauth.Options{URL: v}).Parse(); err != nil {
		return errors.New("is no URL of Redis: write redis://host:port/db or unix:///path.sock")
	}
	return nil
}

func fitsDatabaseURL(v secret.Value) error {
	if _, err := pgx.ParseConfig(v.RevealString()); err != nil {
		return errors.New("is no URL of a PostgreSQL: write postgres://user:password@host/database")
	}
	return nil
}

func fitsMaster(v secret.Value) error {
	if _, err := seal.ParseMaster(v); err != nil {
		return errors.New("holds no 32 bytes in hexadecimal or base64: make a key with: openssl rand -base64 32")
	}
	return atLeast(32)(v)
}

func fitsAuditKey(v secret.Value) error {
	if _, err := audit.Verifier(v); err != nil {
		return errors.New("is no key that signs checkpoints: make one with: gatehouse audit keygen")
	}
	return nil
}

// fitsKeyOf wants the private key of a certificate in PEM, so that one given by
// mistake for the other is noticed.
func fitsKeyOf(certificate string) func(secret.Value) error {
	return func(v secret.Value) error {
		block, _ := pem.Decode(v.Reveal())
		if block == nil || !strings.HasSuffix(block.Type, "PRIVATE KEY") {
			return errors.New("is no private key in PEM: is it the certificate?")
		}
		chain, err := os.ReadFile(certificate)
		if err != nil {
			return fmt.Errorf("has no certificate: %w", err)
		}
		if _, err := tls.X509KeyPair(chain, v.Reveal()); err != nil {
			return fmt.Errorf("does not go with the certificate %s", certificate)
		}
		return nil
	}
}
