package policy

// Place is where a value was written.
type Place struct {
	// Policy is the name of the policy that says so, or "route NAME".
	Policy string `json:"policy"`
	Line   int    `json:"line"`
}

// origin tells for each value of an effective policy, by its path
// ("headers.preset", "limits"), where it was written.
type origin struct {
	places map[string]Place
}

// Origin tells where a value of an effective policy was written: path is
// relative to the policy, "headers.set.X-Frame-Options" or "limits". It is
// false for what no line of the file says: a default.
func (c *Compiled) Origin(policy, path string) (Place, bool) {
	o := c.origins[policy]
	if o == nil {
		return Place{}, false
	}
	p, ok := o.places[path]
	return p, ok
}
