package policy

import (
	"fmt"
	"strings"
	"testing"

	"gatehouse/e2e/planted"
)

// TestNoPlantedSecretIsAcceptedOrRepeated plants a secret of each kind in the
// places of a file where people put them.
func TestNoPlantedSecretIsAcceptedOrRepeated(t *testing.T) {
	t.Parallel()
	places := map[string]string{
		"a header's value":   "policies: {base: {headers: {set: {X-Upstream: '%s'}}}}\nroutes: [{path_prefix: /, upstream: app, policy: base}]",
		"a comment":          "# %s\npolicies: {base: {}}\nroutes: [{path_prefix: /, upstream: app, policy: base}]",
		"a value that fails": "policies: {base: {session: '%s'}}\nroutes: [{path_prefix: /, upstream: app, policy: base}]",
		"a name":             "policies: {base: {}}\nroutes: [{path_prefix: /, upstream: app, policy: '%s'}]",
		"a broken file":      "policies: {base: {session: '%s'\nroutes: [",
		"where a list is":    "policies: {base: {cors: {allow_origins: '%s'}}}\nroutes: [{path_prefix: /, upstream: app, policy: base}]",
	}
	for _, s := range planted.New(planted.Kinds()) {
		switch s.Kind {
		case "cookie header", "bearer token", "generic API key", "password in a connection string", "AWS secret key":
			continue // no rule knows them without a name before them: see the warnings
		}
		for place, format := range places {
			text := strings.ReplaceAll(s.Text, "\n", `\n`)
			_, err := Load("gatehouse.yaml", []byte(preamble+fmt.Sprintf(format, text)))
			if err == nil {
				t.Errorf("%s in %s was accepted", s.Kind, place)
				continue
			}
			if strings.Contains(err.Error(), s.Needle) || strings.Contains(err.Error(), s.Needle[:12]) {
				t.Errorf("%s in %s is repeated: %v", s.Kind, place, err)
			}
			if !strings.Contains(err.Error(), secretMessage) || !strings.Contains(err.Error(), "_FILE") {
				t.Errorf("%s in %s: it does not say what to do: %v", s.Kind, place, err)
			}
		}
	}
}

func TestWhatOnlySoundsLikeASecretIsAWarning(t *testing.T) {
	t.Parallel()
	for _, s := range planted.New(planted.Kinds()) {
		if s.Kind != "generic API key" {
			continue
		}
		c := mustLoad(t, preamble+"# "+s.Text+"\npolicies: {base: {}}\nroutes: [{path_prefix: /, upstream: app, policy: base}]")
		if len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0].Error(), "gatehouse.yaml:4:") || strings.Contains(c.Warnings[0].Error(), s.Needle) {
			t.Errorf("%v", c.Warnings)
		}
	}
}
