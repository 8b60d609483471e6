package assertion

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math/big"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// MinSecret is the least length of the secret in bytes.
const MinSecret = 32

// period is how long a key signs. The sets of three consecutive periods overlap,
// whoever fetched them.
const period = 24 * time.Hour

// key is one period's.
type key struct {
	private *ecdsa.PrivateKey
	public  jose.JSONWebKey
	signer  jose.Signer
}

// keySet is what holds during one period: the key that signs and the document
// that verifies.
type keySet struct {
	period int64 // since the Unix epoch
	signer jose.Signer
	jwks   []byte
}

func periodOf(now time.Time) int64 { return now.Unix() / int64(period/time.Second) }

func newKeySet(secret []byte, n int64) (*keySet, error) {
	set := &keySet{period: n}
	var public jose.JSONWebKeySet
	for i := n - 1; i <= n+1; i++ {
		k, err := derive(secret, i)
		if err != nil {
			return nil, err
		}
		public.Keys = append(public.Keys, k.public)
		if i == n {
			set.signer = k.signer
		}
	}
	var err error
	if set.jwks, err = json.Marshal(public); err != nil {
		return nil, fmt.Errorf("write the JWK Set: %w", err)
	}
	return set, nil
}

// derive makes the key of a period. The scalar is taken from 64 bits more than
// the group's order has, as FIPS 186-5 A.2.1 wants it, so that it is as good as
// uniform.
func derive(secret []byte, n int64) (key, error) {
	order := elliptic.P256().Params().N
	material, err := hkdf.Key(sha256.New, secret, nil, fmt.Sprintf("gatehouse/assertion/%d", n), (order.BitLen()+64)/8)
	if err != nil {
		return key{}, fmt.Errorf("derive the key that signs assertions: %w", err)
	}
	scalar := new(big.Int).SetBytes(material)
	scalar.Mod(scalar, new(big.Int).Sub(order, big.NewInt(1)))
	scalar.Add(scalar, big.NewInt(1))
	var k key
	if k.private, err = ecdsa.ParseRawPrivateKey(elliptic.P256(), scalar.FillBytes(make([]byte, 32))); err != nil {
		return key{}, fmt.Errorf("derive the key that signs assertions: %w", err)
	}
	k.public = jose.JSONWebKey{Key: &k.private.PublicKey, Algorithm: string(jose.ES256), Use: "sig"}
	if k.public.KeyID, err = thumbprint(k.public); err != nil {
		return key{}, err
	}
	options := (&jose.SignerOptions{}).WithType("JWT").WithHeader("kid", k.public.KeyID)
	if k.signer, err = jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: k.private}, options); err != nil {
		return key{}, fmt.Errorf("prepare the key that signs assertions: %w", err)
	}
	return k, nil
}
