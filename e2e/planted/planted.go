// Package planted makes secrets for tests that plant them and look whether they
// come out anywhere.
//
// It promises that each secret has the form of its kind, is drawn anew in each
// run, and stands in no file of this tree, so that the tree stays clean for
// secret scanners. None of them opens anything.
package planted

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
)

// Secret is a planted one.
type Secret struct {
	Kind string
	// Text is the secret as it turns up in the wild: with its name, in its header,
	// in its URL.
	Text string
	// Needle is the part of Text that must not come out. It has no character that
	// JSON writes differently.
	Needle string
}

const (
	upper    = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	lower    = "abcdefghijklmnopqrstuvwxyz"
	digits   = "0123456789"
	alphanum = upper + lower + digits
)

// pick draws n characters of an alphabet. Digits and letters are both among
// them: what looks like a word is no secret to a scanner.
func pick(n int, alphabet string) string {
	for {
		var b strings.Builder
		for range n {
			at, err := rand.Int(rand.Reader, big.NewInt(int64(len(alphabet))))
			if err != nil {
				panic(err) // the system has no randomness: no test can go on
			}
			b.WriteByte(alphabet[at.Int64()])
		}
		text := b.String()
		distinct := map[rune]bool{}
		for _, c := range text {
			distinct[c] = true
		}
		if strings.ContainsAny(text, digits) && strings.ContainsAny(text, upper+lower) && 3*len(distinct) >= 2*min(n, 20) {
			return text
		}
	}
}

// same is a secret that is its own needle.
func same(text string) (string, string) { return text, text }

// named is a secret of which all but a name or frame must not come out.
func named(format, needle string) (string, string) { return fmt.Sprintf(format, needle), needle }

// kinds make one secret each: text and needle.
func kinds() []struct {
	name string
	make func() (text, needle string)
} {
	return []struct {
		name string
		make func() (text, needle string)
	}{
		{"AWS access key", func() (string, string) { return same("AK" + "IA" + pick(16, upper+"234567")) }},
		{"AWS secret key", func() (string, string) { return named("aws_secret_access_key=%s", pick(40, alphanum)) }},
		{"GitHub token", func() (string, string) { return same("gh" + "p_" + pick(36, alphanum)) }},
		{"GitHub fine-grained token", func() (string, string) { return same("github" + "_pat_" + pick(82, alphanum)) }},
		{"GitLab token", func() (string, string) { return same("gl" + "pat-" + pick(20, alphanum)) }},
		{"Slack token", func() (string, string) {
			return same("xo" + "xb-" + "1234567890" + "-" + "1234567890123" + "-" + pick(24, alphanum))
		}},
		{"Stripe key", func() (string, string) { return same("sk" + "_live_" + pick(24, alphanum)) }},
		{"JWT", func() (string, string) { return same(jwt()) }},
		{"private key in PEM", privateKey},
		{"GCP key", gcpKey},
		{"Google API key", func() (string, string) { return same("AI" + "za" + pick(35, alphanum)) }},
		{"URL with basic authentication", func() (string, string) {
			return named("https://deploy:%s@git.example.com/x", pick(20, alphanum))
		}},
		{"bearer token", func() (string, string) { return named("Authorization: Bearer %s", pick(40, alphanum)) }},
		{"session token", func() (string, string) { return same("gh" + "s_" + pick(49, alphanum)) }},
		{"argon2 hash", func() (string, string) {
			return named("$argon2id$v=19$m=19456,t=2,p=1$"+pick(22, alphanum)+"$%s", pick(43, alphanum))
		}},
		{"OpenAI key", func() (string, string) {
			return same("sk" + "-proj-" + pick(74, alphanum) + "T3Blb" + "kFJ" + pick(74, alphanum))
		}},
		{"npm token", func() (string, string) { return same("np" + "m_" + pick(36, lower+digits)) }},
		{"generic API key", func() (string, string) { return named("api_key=%s", pick(32, alphanum)) }},
		{"database URL", func() (string, string) { return named("postgres://app:%s@db:5432/app", pick(24, alphanum)) }},
		{"cookie header", func() (string, string) { return named("Cookie: theme=dark; sid=%s", pick(32, alphanum)) }},
		{"note signing key", func() (string, string) {
			return named("PRIVATE"+"+KEY+log.example.com+"+hex.EncodeToString([]byte(pick(4, alphanum)))+"+%s", pick(44, alphanum))
		}},
		{"DigitalOcean token", func() (string, string) { return same("do" + "p_v1_" + pick(64, "abcdef"+digits)) }},
		{"SendGrid token", func() (string, string) { return same("S" + "G." + pick(66, alphanum)) }},
		{"password in a connection string", func() (string, string) {
			return named("host=db user=app password=%s sslmode=require", pick(24, alphanum))
		}},
		{"age key", func() (string, string) {
			return same("AGE-SECRET" + "-KEY-1" + pick(58, "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L"))
		}},
	}
}

func jwt() string {
	part := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	return part(`{"alg":"ES256","typ":"JWT"}`) + "." + part(`{"sub":"`+pick(16, alphanum)+`","aud":"app"}`) + "." + pick(86, alphanum)
}

// privateKey is a real one; its needle is the first line of its body.
func privateKey() (text, needle string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err)
	}
	var b bytes.Buffer
	if err := pem.Encode(&b, &pem.Block{Type: "PRIVATE" + " KEY", Bytes: der}); err != nil {
		panic(err)
	}
	lines := strings.Split(b.String(), "\n")
	// The slash is what some writers of JSON escape.
	return b.String(), longest(strings.FieldsFunc(lines[2], func(r rune) bool { return r == '/' || r == '+' }))
}

func longest(parts []string) string {
	best := ""
	for _, part := range parts {
		if len(part) > len(best) {
			best = part
		}
	}
	return best
}

func gcpKey() (text, needle string) {
	key, needle := privateKey()
	return `{"type":"service_account","project_id":"p","private_key_id":"` + pick(40, "abcdef"+digits) + `","private_key":"` +
		strings.ReplaceAll(key, "\n", `\n`) + `"}`, needle
}

// New makes n secrets, the kinds in turn.
func New(n int) []Secret {
	all := kinds()
	secrets := make([]Secret, n)
	for i := range secrets {
		kind := all[i%len(all)]
		text, needle := kind.make()
		secrets[i] = Secret{Kind: kind.name, Text: text, Needle: needle}
	}
	return secrets
}

// Kinds is how many different kinds there are.
func Kinds() int { return len(kinds()) }

// In returns the kinds of the secrets that are in text. Needles
// have no character that JSON or a URL writes differently.
func In(text []byte, secrets []Secret) (kinds []string) {
	for _, s := range secrets {
		if bytes.Contains(text, []byte(s.Needle)) {
			kinds = append(kinds, s.Kind)
		}
	}
	return kinds
}
