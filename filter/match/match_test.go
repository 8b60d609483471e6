package match

import "testing"

func TestRuleMatches(t *testing.T) {
	tests := []struct {
		name                    string
		rule                    Rule
		method, authority, path string
		want                    bool
	}{
		{"an empty rule matches everything", Rule{}, "GET", "a", "/", true},
		{"a prefix covers itself", Rule{PathPrefix: "/a"}, "GET", "h", "/a", true},
		{"a prefix covers what is below", Rule{PathPrefix: "/a"}, "GET", "h", "/a/b", true},
		{"a prefix ends at a segment", Rule{PathPrefix: "/a"}, "GET", "h", "/ab", false},
		{"a prefix ignores the query", Rule{PathPrefix: "/a"}, "GET", "h", "/a?x=/b", true},
		{"a prefix is not looked for in the query", Rule{PathPrefix: "/a"}, "GET", "h", "/b?/a", false},
		{"a prefix ignores a fragment", Rule{PathPrefix: "/a"}, "GET", "h", "/a#x", true},
		{"the root covers everything", Rule{PathPrefix: "/"}, "GET", "h", "/x/y", true},
		{"a prefix with a slash needs it", Rule{PathPrefix: "/a/"}, "GET", "h", "/a", false},
		{"two slashes are not a host", Rule{PathPrefix: "/admin"}, "GET", "h", "//admin", false},
		{"an exact path is exact", Rule{Path: "/a"}, "GET", "h", "/a/", false},
		{"an exact path ignores the query", Rule{Path: "/a"}, "GET", "h", "/a?b", true},
		{"paths are case-sensitive", Rule{Path: "/a"}, "GET", "h", "/A", false},
		{"a listed method matches", Rule{Methods: []string{"POST", "PUT"}}, "PUT", "h", "/", true},
		{"another method does not", Rule{Methods: []string{"POST"}}, "GET", "h", "/", false},
		{"methods are case-sensitive", Rule{Methods: []string{"POST"}}, "post", "h", "/", false},
		{"a host matches in any case and with a port", Rule{Hosts: []string{"a.example"}}, "GET", "A.Example:8080", "/", true},
		{"a trailing dot is another host", Rule{Hosts: []string{"a.example"}}, "GET", "a.example.", "/", false},
		{"a wildcard covers one label", Rule{Hosts: []string{"*.a.example"}}, "GET", "x.a.example", "/", true},
		{"a wildcard covers more labels", Rule{Hosts: []string{"*.a.example"}}, "GET", "y.x.a.example", "/", true},
		{"a wildcard does not cover the apex", Rule{Hosts: []string{"*.a.example"}}, "GET", "a.example", "/", false},
		{"a wildcard needs a label", Rule{Hosts: []string{"*.a.example"}}, "GET", ".a.example", "/", false},
		{"a wildcard ends at a label", Rule{Hosts: []string{"*.a.example"}}, "GET", "xa.example", "/", false},
		{"a star covers all", Rule{Hosts: []string{"*"}}, "GET", "", "/", true},
		{"an IPv6 address keeps its brackets", Rule{Hosts: []string{"[::1]"}}, "GET", "[::1]:80", "/", true},
		{"an IPv6 address without a port", Rule{Hosts: []string{"[::1]"}}, "GET", "[::1]", "/", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if m := tt.rule.Mistake(); m != "" {
				t.Errorf("mistake in the rule: %s", m)
			}
			if got := tt.rule.Matches(tt.method, tt.authority, tt.path); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestMistakeNamesWhatCanNeverMatch(t *testing.T) {
	tests := []struct {
		name string
		rule Rule
	}{
		{"both path and prefix", Rule{Path: "/a", PathPrefix: "/a"}},
		{"a relative path", Rule{Path: "a"}},
		{"a relative prefix", Rule{PathPrefix: "a"}},
		{"a query in the path", Rule{Path: "/a?b"}},
		{"a lower-case method", Rule{Methods: []string{"get"}}},
		{"an empty method", Rule{Methods: []string{""}}},
		{"an upper-case host", Rule{Hosts: []string{"A.example"}}},
		{"an empty host", Rule{Hosts: []string{""}}},
		{"a star in the middle", Rule{Hosts: []string{"a.*.example"}}},
		{"a port", Rule{Hosts: []string{"a.example:80"}}},
		{"a scheme", Rule{Hosts: []string{"https://a.example"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.rule.Mistake() == "" {
				t.Error("no mistake found")
			}
		})
	}
}

func TestWildcardHostNeedsANonEmptyLabel(t *testing.T) {
	if HostMatches("*.a.example", "a.example") {
		t.Error("the apex matched")
	}
}
