package pipeline

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"gatehouse/filter/policy"
)

func uploaded(t *testing.T, x *Exchange, body, length string) string {
	t.Helper()
	r := request("upload", "POST", [2]string{"content-type", "multipart/form-data; boundary=b"}, [2]string{"content-length", length})
	x.Begin(set(t), &r)
	chunk := []byte(body)
	x.Body(chunk)
	for i := range chunk {
		chunk[i] = 'x'
	}
	x.End()
	return string(x.Verdict().AppendJSON(nil))
}

func TestAnExchangeIsToldAsOneInNewMemory(t *testing.T) {
	t.Parallel()
	part := "--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"FILE\"\r\n\r\nCONTENT\r\n--b--\r\n"
	var again Exchange
	for _, c := range []struct{ file, content string }{{"a.txt", "hello"}, {"a.txt", "MZ\x90\x00\x01"}, {"b.txt", "hello, world"}, {"", ""}, {"c.exe", "x"}, {"d.txt", strings.Repeat("all is well ", 900)}} {
		body := strings.NewReplacer("FILE", c.file, "CONTENT", c.content).Replace(part)
		var fresh Exchange
		want := uploaded(t, &fresh, body, "-")
		if got := uploaded(t, &again, body, "-"); got != want {
			t.Errorf("%q: %s, in new memory %s", c.file, got, want)
		}
		again.Reset()
	}
}

func TestWhatIsLeftOfABodyIsKnownFromItsStatedLength(t *testing.T) {
	t.Parallel()
	x := begin(t, "upload", "5")
	if x.Left() != 5 {
		t.Errorf("%d are left of 5", x.Left())
	}
	x.Body([]byte("he"))
	if x.Left() != 3 {
		t.Errorf("%d are left of 3", x.Left())
	}
	x.Body([]byte("llo!"))
	if x.Left() != 0 {
		t.Errorf("%d are left of what is too long", x.Left())
	}
	if x := begin(t, "upload", ""); x.Left() != -1 {
		t.Errorf("%d are left of nobody knows how many", x.Left())
	}
}

// A response of which the filter says that it writes nothing into it goes unread.
func TestRespondsTellsWhetherRespondChangesAnything(t *testing.T) {
	t.Parallel()
	const several = `{"version": "v", "default_policy": "none", "policies": {
	 "none": {"uploads": {"allow": ["txt"]}},
	 "headers": {"headers": {"preset": "strict"}},
	 "reported": {"headers": {"mode": "report", "preset": "strict"}, "cors": {"mode": "report", "allow_origins": ["https://a.example"]}},
	 "cors": {"cors": {"allow_origins": ["https://a.example"]}}}}`
	s, err := policy.Parse([]byte(several))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"none": false, "headers": true, "reported": false, "cors": true, "no such": false, "": false} {
		x := Begin(s, request(name, "GET", [2]string{"origin", "https://a.example"}))
		if x.Responds() != want {
			t.Errorf("%q: %v", name, x.Responds())
		}
		got := http.Header{"Server": {"x"}}
		x.Respond(view(got))
		if changed := len(got) != 1 || !slices.Equal(got["Server"], []string{"x"}); changed && !want {
			t.Errorf("%q writes %v", name, got)
		}
	}
	var unseen Exchange
	unseen.Unseen(s, nil)
	if unseen.Responds() {
		t.Error("the default policy writes nothing, and Unseen does")
	}
}
