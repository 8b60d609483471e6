package headers

import (
	"slices"
	"strings"
)

const frameAncestors = "frame-ancestors"

// frames makes X-Frame-Options and frame-ancestors say the same. Browsers that
// know both obey frame-ancestors (CSP Level 3, section 6.4.2.2), so that a
// contradiction would be believed to be in force and is not.
func (k *compiler) frames(c Config) {
	list, has := k.csp[frameAncestors]
	if !has {
		return
	}
	own, byDirective := c.CSP[frameAncestors]
	_, whole := c.setting(cspHeader)
	written := byDirective && !left(own) || whole != ""
	name, options := c.setting(frameOptions)
	i := k.find(frameOptions)
	switch {
	case i < 0: // left out, or never there
	case written && name != "":
		if options != optionsFor(list) {
			k.fail("csp."+frameAncestors, strings.Join(list, " "), "contradicts X-Frame-Options: "+options+" of the same policy"+adviceFor(list))
		}
	case written:
		k.put(frameOptions, optionsFor(list))
		if i := k.find(frameOptions); i >= 0 {
			k.set[i].Because = AsAncestors
		}
	case name != "":
		ancestors := "'none'"
		if k.set[i].Value == "SAMEORIGIN" {
			ancestors = "'self'"
		}
		k.csp[frameAncestors] = []string{ancestors}
	}
}

// optionsFor is the X-Frame-Options that says what the list says; empty where
// none can.
func optionsFor(list []string) string {
	switch {
	case slices.Equal(list, []string{"'none'"}):
		return "DENY"
	case slices.Equal(list, []string{"'self'"}):
		return "SAMEORIGIN"
	}
	return ""
}

func adviceFor(list []string) string {
	if options := optionsFor(list); options != "" {
		return ": write " + options + ", or leave it out"
	}
	return `: it cannot name hosts, write X-Frame-Options: ""`
}
