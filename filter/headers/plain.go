package headers

// Plain is what a policy does to every response that takes all of its headers, unless
// the response has one that must be looked at.
type Plain struct {
	// Set are lines in the place of the response's own.
	Set [][2]string
	// Remove are names without one, and Look those that the upstream has a say in.
	Remove, Look []string
	// Cookies are hardened, where there are any.
	Cookies bool
}

// Names are those of Set.
func (p *Plain) Names() []string {
	names := make([]string, len(p.Set))
	for i := range p.Set {
		names[i] = p.Set[i][0]
	}
	return names
}

// Plain is false where the headers depend on the request, by a nonce.
func (p *Policy) Plain(tls bool) (plain Plain, ok bool) {
	plain.Remove = append(plain.Remove, p.Removed()...)
	plain.Cookies = p.cookies.active()
	for i := range p.set {
		h := &p.set[i]
		switch {
		case h.TLSOnly && !tls:
			plain.Remove = append(plain.Remove, h.Name)
		case len(h.parts) != 1:
			return Plain{}, false
		default:
			plain.Set = append(plain.Set, [2]string{h.Name, h.Value})
			if h.Existing != Replace {
				plain.Look = append(plain.Look, h.Name)
			}
		}
	}
	return plain, true
}

// TakesAll tells whether a response takes all headers of a policy, which Plain
// supposes: a success with content that is no gRPC.
func TakesAll(status, mediaType string) bool {
	return len(status) == 3 && status[0] == '2' && status != "204" && status != "205" && !isGRPC(mediaType)
}
