package headers

import "encoding/base64"

// cspNonceHeader tells the upstream the nonce of the request. What a client
// sends under this name is dropped, whatever the policy says.
const cspNonceHeader = "x-csp-nonce"

// NonceHeader is the request header that carries the nonce to the upstream.
const NonceHeader = cspNonceHeader

// NonceBytes of randomness make a nonce: 128 bits (CSP Level 3, section 7.1).
const NonceBytes = 16

// Nonce writes raw, which must come from a cryptographic source, as the
// base64-value of a nonce-source (CSP Level 3, section 2.3.1).
func Nonce(raw [NonceBytes]byte) string { return base64.StdEncoding.EncodeToString(raw[:]) }
