package opendsr

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

const (
	// knowFor is how long what a processor says about itself is believed.
	knowFor = 10 * time.Minute
	// lookAgain bounds how often a signature that does not fit makes us fetch the
	// certificate again.
	lookAgain  = time.Minute
	minRSABits = 2048
)

// headers are the beginnings of the names of headers: OpenDSR 2, 1, OpenGDPR.
func headers() []string { return []string{"X-OpenDSR-", "X-OpenCompliance-", "X-OpenGDPR-"} }

// known is what a processor has said about itself.
type known struct {
	said discovery
	key  crypto.PublicKey
	at   time.Time
}

// knownNow is what is known, fetched if it is old.
func (c *Connector) knownNow(ctx context.Context, anew bool) (*known, error) {
	c.mu.Lock()
	k := c.known
	c.mu.Unlock()
	age := knowFor
	if anew {
		age = lookAgain
	}
	if k != nil && c.now().Sub(k.at) < age {
		return k, nil
	}
	got, err := c.call(ctx, http.MethodGet, "/discovery", nil)
	if err != nil {
		return nil, err
	}
	if got.code != http.StatusOK {
		return nil, c.refused("say what it can ("+c.base+"/discovery)", got)
	}
	k = &known{at: c.now()}
	if err := json.Unmarshal(got.body, &k.said); err != nil {
		return nil, c.fail("what the processor says at /discovery is not what the standard says: %w", err)
	}
	if k.key, err = c.certificate(ctx, k.said.Certificate); err != nil {
		return nil, err
	}
	c.mu.Lock()
	c.known = k
	c.mu.Unlock()
	return k, nil
}

// certificate is the key that the processor signs with: that of certificate_file,
// or of the certificate it names, if an authority has issued it for its domain
// (section 4.1).
func (c *Connector) certificate(ctx context.Context, at string) (crypto.PublicKey, error) {
	if path := c.system.Processor.CertificateFile; path != "" {
		text, err := readFile(path)
		if err != nil {
			return nil, c.fail("certificate_file: %w", err)
		}
		chain, err := parseChain(text)
		if err != nil {
			return nil, c.fail("certificate_file %s: %w", path, err)
		}
		if now := c.now(); now.Before(chain[0].NotBefore) || now.After(chain[0].NotAfter) {
			return nil, c.fail("the certificate in certificate_file is not valid at this time: put the processor's present one there")
		}
		return strong(chain[0].PublicKey)
	}
	u, err := url.Parse(at)
	if err != nil || u.Scheme != "https" && !loopback(u.Hostname()) || !c.host(u) {
		return nil, c.fail("the processor's certificate is not at its own domain over https: set certificate_file")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, c.fail("%w", err)
	}
	got, err := c.send(req, maxAnswer)
	if err != nil {
		return nil, err
	}
	if got.code != http.StatusOK {
		return nil, c.refused("hand over its certificate", got)
	}
	chain, err := parseChain(got.body)
	if err != nil {
		return nil, c.fail("the processor's certificate: %w", err)
	}
	return c.trusted(chain)
}

// trusted checks that an authority has issued the certificate for the domain.
func (c *Connector) trusted(chain []*x509.Certificate) (crypto.PublicKey, error) {
	between := x509.NewCertPool()
	for _, link := range chain[1:] {
		between.AddCert(link)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{
		DNSName: c.system.Processor.Domain, Roots: c.roots, Intermediates: between, CurrentTime: c.now(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	if err != nil {
		return nil, c.fail("the processor's certificate is not trusted (%w): set ca_file or certificate_file", err)
	}
	return strong(chain[0].PublicKey)
}

func readFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // was only read
	return io.ReadAll(io.LimitReader(file, maxAnswer))
}

func parseChain(text []byte) (chain []*x509.Certificate, err error) {
	for len(text) > 0 {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		one, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		chain = append(chain, one)
	}
	if len(chain) == 0 {
		return nil, errors.New("has no certificate in PEM")
	}
	return chain, nil
}

func strong(key crypto.PublicKey) (crypto.PublicKey, error) {
	switch k := key.(type) {
	case *rsa.PublicKey:
		if k.N.BitLen() >= minRSABits {
			return k, nil
		}
	case *ecdsa.PublicKey:
		return k, nil
	}
	return nil, errors.New("the processor's certificate has a key that is too weak, or of a kind that FIPS 186 does not have")
}

// verified says that the processor has signed the body (section 8.8). It is
// asked before anything of the body is read.
func (c *Connector) verified(ctx context.Context, header http.Header, body []byte) error {
	domain, text := signature(header)
	if domain == "" || text == "" {
		return c.fail("what came is not signed: the headers X-OpenDSR-Processor-Domain and -Signature are missing")
	}
	if !strings.EqualFold(domain, c.system.Processor.Domain) {
		return c.fail("what came is signed by %.80q, and not by %s: check domain", domain, c.system.Processor.Domain)
	}
	signed, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		return c.fail("the signature is not in base64")
	}
	k, err := c.knownNow(ctx, false)
	if err != nil {
		return err
	}
	if fits(k.key, body, signed) {
		return nil
	}
	// It may have a new certificate.
	if k, err = c.knownNow(ctx, true); err != nil {
		return err
	}
	if !fits(k.key, body, signed) {
		return c.fail("the signature of what came is not the processor's")
	}
	return nil
}

func signature(header http.Header) (domain, text string) {
	for _, prefix := range headers() {
		if domain, text = header.Get(prefix+"Processor-Domain"), header.Get(prefix+"Signature"); domain != "" && text != "" {
			return domain, text
		}
	}
	return "", ""
}

func fits(key crypto.PublicKey, body, signed []byte) bool {
	sum := sha256.Sum256(body)
	switch k := key.(type) {
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(k, crypto.SHA256, sum[:], signed) == nil || rsa.VerifyPSS(k, crypto.SHA256, sum[:], signed, nil) == nil
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(k, sum[:], signed)
	}
	return false
}

// host says whether a URL is at a host of the processor's.
func (c *Connector) host(u *url.URL) bool {
	own, err := url.Parse(c.system.Processor.URL)
	if err != nil {
		return false
	}
	name := strings.ToLower(u.Hostname())
	return name == strings.ToLower(own.Hostname()) || name == c.system.Processor.Domain
}

// loopback says whether a host is this machine: there TLS protects nothing.
func loopback(name string) bool { return name == "localhost" || name == "127.0.0.1" || name == "::1" }

// trimmed leaves out what some put around JSON.
func trimmed(body []byte) []byte {
	return bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")))
}
