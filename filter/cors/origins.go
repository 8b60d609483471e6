package cors

// Origins is a compiled list of origins in the forms of AllowOrigins, for
// features that trust origins without sharing responses. It is immutable.
type Origins struct{ patterns patterns }

// ParseOrigins compiles list; the mistakes have the key "allow_origins".
func ParseOrigins(list []string) (*Origins, []*ConfigError) {
	o := &Origins{patterns{exact: make(map[string]struct{}, len(list))}}
	var mistakes []*ConfigError
	for _, s := range list {
		if err := o.patterns.add(s); err != nil {
			mistakes = append(mistakes, &ConfigError{Key: keyOrigins, Value: s, Reason: notAnOrigin + err.Error()})
		}
	}
	return o, mistakes
}

// Allow tells whether s, the value of an Origin header, is in the list.
func (o *Origins) Allow(s string) bool { return len(s) <= maxOriginLen && o.patterns.allows(s) }

// Insecure returns the first origin of list whose pages a network attacker can
// write, loopback excepted, or "".
func Insecure(list []string) string {
	for _, s := range insecure(list) {
		return s
	}
	return ""
}
