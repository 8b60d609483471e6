package upload

import (
	"encoding/base64"
	"encoding/json"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
)

func in64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// inJSON is the same, written as JSON with every slash escaped, as PHP does.
func inJSON(s string) string { return strings.ReplaceAll(in64(s), "/", `\/`) }

func jsonPolicy(t testing.TB) *Policy {
	t.Helper()
	return policyOf(t, Config{Allow: []string{"pdf", "png", "txt"}, MaxFileSize: 20_000, MaxRequestSize: 100_000, MaxFiles: 3, JSONFields: []JSONField{
		{Path: "$.document.content", Allow: []string{"pdf"}}, {Path: "files[*].data"}, {Path: "$.small", MaxFileSize: 10},
		{Path: "$['odd.name']"}, {Path: "$.token", Encoding: JSONBase64URL},
	}})
}

func TestFilesInJSON(t *testing.T) {
	t.Parallel()
	pdf, exe, png := samplePDF(""), sampleEXE(), samplePNG(t)
	active := samplePDF("/OpenAction << /S /JavaScript /JS (x) >> ")
	document := func(content string) string { return `{"document":{"name":"a","content":"` + content + `"}}` }
	spelt := `\u` + strings.Repeat("0", 2) + "4a" + in64(pdf)[1:] // the first letter by its code
	tests := []struct{ name, body, rule string }{
		{"a PDF", document(in64(pdf)), ""},
		{"a PDF with escaped slashes", document(inJSON(pdf)), ""},
		{"a PDF with slashes by their code", document(strings.ReplaceAll(in64(pdf), "/", `\u002f`)), ""},
		{"a PDF with a letter by its code", document(spelt), ""},
		{"a PDF in lines", document(in64(pdf)[:76] + `\r\n` + in64(pdf)[76:]), ""},
		{"a PDF as a data: URL", document("data:application/pdf;base64," + in64(pdf)), ""},
		{"a data: URL spelt otherwise", document(`\u0064ata:application\/pdf;base64,` + in64(pdf)), ""},
		{"a data: URL with a name", document("data:application/pdf;name=a%20b.pdf;base64," + in64(pdf)), ""},
		{"a data: URL without a type", document("data:;base64," + in64(pdf)), ""},
		{"nothing", document(""), ""},
		{"an empty data: URL", document("data:application/pdf;base64,"), ""},
		{"null", `{"document":{"content":null}}`, ""},
		{"other places", `{"content":"` + in64(exe) + `","document":{"other":{"content":[1,2.5e-3,true,"x"]}},"x":[[{"data":"y"}]]}`, ""},
		{"no object at all", `[1,"` + in64(exe) + `"]`, ""},
		{"two files of a list", `{"files":[{"data":"` + in64(png) + `"},{"data":"` + in64(pdf) + `"}]}`, ""},
		{"a name with a dot", `{"odd.name":"` + in64(png) + `"}`, ""},
		{"the other alphabet where it is meant", `{"token":"` + base64.RawURLEncoding.EncodeToString([]byte(pdf+"\xff\xfe\xff")) + `"}`, ""},
		{"white space all over", " {\n\t\"document\" : { \"content\" : \"" + in64(pdf) + "\" } } \n", ""},

		{"active content", document(in64(active)), RulePDF},
		{"active content as a data: URL", document("data:application/pdf;base64," + in64(active)), RulePDF},
		{"a name by its codes", `{"d\u006fcument":{"c\u006fntent":"` + in64(active) + `"}}`, RulePDF},
		{"a program", document(in64(exe)), RuleNotAllowed},
		{"a program as a data: URL of a PDF", document("data:application/pdf;base64," + in64(exe)), RuleMismatch},
		{"a picture where a PDF should be", document(in64(png)), RuleNotAllowed},
		{"a PDF that is cut off", document(in64(pdf[:90])), RuleTruncated},
		{"a name that leads out", document("data:application/pdf;name=..%2Fa.pdf;base64," + in64(pdf)), RuleName},
		{"a name that lies", document("data:application/pdf;name=a.png;base64," + in64(pdf)), RuleMismatch},
		{"the last of a list", `{"files":[{"data":"` + in64(png) + `"},{"data":"` + in64(exe) + `"}]}`, RuleNotAllowed},
		{"too many of a list", `{"files":[` + strings.Repeat(`{"data":"`+in64("text")+`"},`, 3) + `{"data":"eA=="}]}`, RuleTooManyFiles},
		{"too large", document(in64(samplePDF(strings.Repeat(" ", 21_000)))), RuleFileSize},
		{"larger than its field allows", `{"small":"` + in64("hello hello hello") + `"}`, RuleFileSize},

		{"a name twice", `{"document":{"content":"` + in64(pdf) + `","content":"` + in64(exe) + `"}}`, RuleJSON},
		{"an object on the way twice", `{"document":{},"document":{"content":""}}`, RuleJSON},
		{"a name twice, once by its codes", `{"document":{"content":"","c\u006fntent":""}}`, RuleJSON},
		{"a name in another case", `{"Document":{"content":"` + in64(exe) + `"}}`, RuleJSON},
		{"a name with a long s", "{\"\u017fmall\":\"x\"}", RuleJSON},
		{"a name with a Kelvin sign", `{"to\u212aen":"x"}`, RuleJSON},
		{"a list where a file should be", `{"document":{"content":["` + in64(exe) + `"]}}`, RuleJSON},
		{"a number where a file should be", `{"document":{"content":12}}`, RuleJSON},
		{"the other alphabet", document("_-" + in64(pdf)[2:]), RuleJSON},
		{"the usual alphabet where the other is meant", `{"token":"++//"}`, RuleJSON},
		{"a space", document(in64(pdf)[:8] + " " + in64(pdf)[8:]), RuleJSON},
		{"padding in the middle", document("JVBERi0=" + in64(pdf)), RuleJSON},
		{"no padding", document("eHg"), RuleJSON},
		{"too little padding", document("eA="), RuleJSON},
		{"too much padding", document("eHg=="), RuleJSON},
		{"padding alone", document("===="), RuleJSON},
		{"bits behind the last byte", document("eHh="), RuleJSON},
		{"a letter alone", document("eHh4e"), RuleJSON},
		{"the scheme in capitals", document("DATA:application/pdf;base64," + in64(pdf)), RuleJSON},
		{"a data: URL in percent", document("data:application/pdf,%25PDF"), RuleJSON},
		{"a data: URL without a comma", document("data:application/pdf;base64"), RuleJSON},
		{"a data: URL with a long head", document("data:application/pdf;x=" + strings.Repeat("y", 600) + ";base64," + in64(pdf)), RuleJSON},

		{"a comment", `{"a":1/* */}`, RuleJSON},
		{"a comma at the end", `{"a":1,}`, RuleJSON},
		{"a comma at the end of a list", `[1,]`, RuleJSON},
		{"two commas", `[1,,2]`, RuleJSON},
		{"single quotes", `{'a':1}`, RuleJSON},
		{"a name without quotes", `{a:1}`, RuleJSON},
		{"two values", `{}{}`, RuleJSON},
		{"two values in lines", "{}\n{}", RuleJSON},
		{"NaN", `[NaN]`, RuleJSON},
		{"a zero in front", `[01]`, RuleJSON},
		{"a point alone", `[1.]`, RuleJSON},
		{"hexadecimal", `[0x10]`, RuleJSON},
		{"an escape that is none", `["\x41"]`, RuleJSON},
		{"an escape with a sign", `["\u+123"]`, RuleJSON},
		{"a line end in a string", "[\"a\nb\"]", RuleJSON},
		{"brackets that do not match", `[1}`, RuleJSON},
		{"no end", `{"a":[1`, RuleJSON},
		{"a string without end", `{"a":"b`, RuleJSON},
		{"nothing at all", ` `, RuleJSON},
		{"a byte order mark", "\xef\xbb\xbf{}", RuleJSON},
		{"a NUL", "{\"a\":\x00}", RuleJSON},
		{"UTF-16", "{\x00}\x00", RuleJSON},
		{"text that is not UTF-8", "[\"\xff\"]", RuleJSON},
		{"a character that is cut off", "[\"\xe2\x82\"]", RuleJSON},
		{"too deep", strings.Repeat("[", 1001), RuleJSON},
	}
	p := jsonPolicy(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, n := range []int{1 << 20, 1000, 7, 1} {
				if rule, _ := inspect(t, p, Request{ContentType: "application/json", ContentLength: -1}, tt.body, n); rule != tt.rule {
					t.Errorf("in pieces of %d: %q, want %q", n, rule, tt.rule)
				}
			}
		})
	}
}

func TestJSONUnderAnotherTypeIsNoWayAroundItsFields(t *testing.T) {
	t.Parallel()
	body := `{"document":{"content":"` + in64(sampleEXE()) + `"}}`
	for media, rule := range map[string]string{
		"application/json": RuleNotAllowed, "text/json": RuleNotAllowed, "application/vnd.api+json": RuleNotAllowed, "application/json; charset=utf-8": RuleNotAllowed,
		"text/plain": RuleJSON, "application/x-www-form-urlencoded": RuleJSON, "application/octet-stream": RuleJSON, "application/grpc": RuleBody,
		"application/json; charset=utf-7": RuleMalformed, "application/json; charset=ibm037": RuleMalformed, "application/json; boundary=x": RuleMalformed,
	} {
		for _, n := range []int{1, 1000} {
			if got, _ := inspect(t, jsonPolicy(t), Request{ContentType: media, ContentLength: -1}, body, n); got != rule && (media != "application/grpc" || got != RuleJSON) {
				t.Errorf("%s: %q, want %q", media, got, rule)
			}
		}
	}
	p := policyOf(t, Config{Allow: []string{"rtf", "txt"}, JSONFields: []JSONField{{Path: "a"}}})
	for _, s := range []struct{ media, body string }{
		{"application/rtf", `{\rtf1 x}`}, {"text/plain", "hello {}"}, {"application/x-www-form-urlencoded", "a={}"}, {"application/grpc", "\x00\x00\x00\x00\x01x"},
	} {
		if got, _ := inspect(t, p, Request{ContentType: s.media, ContentLength: -1}, s.body, 1); got != "" {
			t.Errorf("%s: %q", s.media, got)
		}
	}
}

func TestAFileInJSONIsHeldUntilItsTypeIsKnown(t *testing.T) {
	t.Parallel()
	i, refusal := jsonPolicy(t).Inspect(Request{ContentType: "application/json", ContentLength: -1})
	if refusal != nil {
		t.Fatal(refusal.Reason)
	}
	coded := in64(samplePDF("") + strings.Repeat(" ", 6000) + "\n%%EOF\n")
	steps := []struct {
		text string
		hold bool
	}{
		{`{"document":{"name":"a",`, false}, {`"content":"`, true}, {coded[:100], true}, {coded[100:7000], false}, {coded[7000:] + `"`, false}, {"}}", false},
	}
	for _, s := range steps {
		hold, refusal := i.Write([]byte(s.text))
		if refusal != nil || hold != s.hold {
			t.Errorf("%.30s: hold %v, want %v; %+v", s.text, hold, s.hold, refusal)
		}
	}
	if r := i.Close(); r != nil || len(i.Files()) != 1 || i.Files()[0].Detected != "pdf" {
		t.Errorf("%+v, files %+v", r, i.Files())
	}
}

func TestPathsIntoJSON(t *testing.T) {
	t.Parallel()
	for path, steps := range map[string]int{"$.a": 1, "a": 1, "$.a.b[*].c": 4, "[*]": 1, "$[*][*].x": 3, "$['a.b'].c": 2, "files[*].data": 3} {
		if got, reason := parseJSONPath(path); reason != "" || len(got) != steps {
			t.Errorf("%s: %d steps, %s", path, len(got), reason)
		}
	}
	for _, path := range []string{"", "$", "$.", "a..b", "$.*", "$[0]", "$['a'", "a[*", "$..a", "a.b*", strings.Repeat(".a", 17), "." + strings.Repeat("a", 129)} {
		if _, reason := parseJSONPath(path); reason == "" {
			t.Errorf("%q passes", path)
		}
	}
	for name, fields := range map[string][]JSONField{
		"the same path twice":              {{Path: "$.a"}, {Path: "a"}},
		"the same path in another case":    {{Path: "$.a"}, {Path: "A"}},
		"a path that leads through a file": {{Path: "$.a.b"}, {Path: "$.a"}},
		"an unknown type":                  {{Path: "a", Allow: []string{"pfd"}}},
		"an unknown alphabet":              {{Path: "a", Encoding: "base32"}},
	} {
		if _, err := Compile(Config{Allow: []string{"pdf"}, JSONFields: fields}); err == nil {
			t.Errorf("%s passes", name)
		}
	}
}

// FuzzJSONBody: no difference by chunks; what passes is JSON for encoding/json, and
// what that finds at a path is a file for us.
func FuzzJSONBody(f *testing.F) {
	f.Add([]byte(`{"document":{"content":"eA=="},"files":[{"data":"eHg="}]}`), uint64(1))
	f.Add([]byte(`{"a\u0062":[1,-2.5e+3,true,null,"\ud83d\ude00\n"]}`), uint64(2))
	f.Add([]byte(`{"small":"data:text/plain;base64,aGVsbG8="}`), uint64(3))
	p := policyOf(f, Config{Allow: KnownTypes(), JSONFields: []JSONField{{Path: "$.document.content"}, {Path: "files[*].data"}, {Path: "small"}}})
	f.Fuzz(func(t *testing.T, body []byte, seed uint64) {
		request := Request{ContentType: "application/json", ContentLength: -1}
		rule, files := inspect(t, p, request, string(body), max(1, len(body)))
		i, refusal := p.Inspect(request)
		random := rand.New(rand.NewPCG(seed, 0))
		for rest := body; refusal == nil && len(rest) > 0; {
			n := 1 + random.IntN(len(rest))
			_, refusal = i.Write(rest[:n])
			rest = rest[n:]
		}
		if refusal == nil {
			refusal = i.Close()
		}
		if (refusal == nil) != (rule == "") || refusal != nil && refusal.Rule != rule {
			t.Fatalf("whole %q, in pieces %+v", rule, refusal)
		}
		if rule == "" {
			compareJSON(t, body, files)
		}
	})
}

// compareJSON: Go ignores case and takes the last of two members; what it finds at a
// path must have been a file.
func compareJSON(t *testing.T, body []byte, files int) {
	t.Helper()
	if !json.Valid(body) {
		t.Fatalf("%q passes and is no JSON", body)
	}
	var got struct {
		Document struct{ Content []byte }
		Files    []struct{ Data []byte }
	}
	if json.Unmarshal(body, &got) != nil {
		return
	}
	want := 0
	for _, d := range append([]struct{ Data []byte }{{got.Document.Content}}, got.Files...) {
		if len(d.Data) > 0 {
			want++
		}
	}
	if files < min(want, maxReported) {
		t.Fatalf("%q: Go finds %d files, we %d", body, want, files)
	}
}

//nolint:paralleltest // it counts what the whole program keeps
func TestAFileInJSONKeepsNoMoreThanItsShare(t *testing.T) {
	p := policyOf(t, Config{Allow: KnownTypes(), JSONFields: []JSONField{{Path: "a.b"}}})
	for name, body := range map[string]string{
		"a file":       `{"a":{"b":"` + in64(samplePDF("")+strings.Repeat(" ", 3<<20)),
		"a long name":  `{"` + strings.Repeat("a", 3<<20),
		"a long text":  `{"x":"` + strings.Repeat(`\u0041`, 1<<19),
		"many members": `{"x":1` + strings.Repeat(`,"y":{}`, 1<<18),
		"many levels":  strings.Repeat(`{"a":`, 999),
	} {
		content := []byte(body)
		before := live()
		i, refusal := p.Inspect(Request{ContentType: "application/json", ContentLength: -1})
		if refusal != nil {
			t.Fatal(refusal.Reason)
		}
		for rest := content; len(rest) > 0; {
			n := min(64<<10, len(rest))
			if _, refusal := i.Write(rest[:n]); refusal != nil {
				t.Fatal(name, refusal.Reason)
			}
			rest = rest[n:]
		}
		if kept := live() - before; kept > maxMemory {
			t.Errorf("%s keeps %d bytes", name, kept)
		}
		runtime.KeepAlive(i)
		runtime.KeepAlive(content)
	}
}
