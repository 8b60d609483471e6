package verdict

import (
	"encoding/json"
	"testing"
	"unicode/utf8"
)

func TestDocumentIsAProblemThatTellsNothingPrecise(t *testing.T) {
	for p := AuthenticationFailed; p <= CheckUnavailable; p++ {
		t.Run(p.Slug(), func(t *testing.T) {
			var doc map[string]any
			if err := json.Unmarshal(p.Document(`id"1`), &doc); err != nil {
				t.Fatalf("not JSON: %v", err)
			}
			want := map[string]any{
				"type": p.Type(), "title": p.Title(), "status": float64(p.Status()), "request_id": `id"1`,
			}
			if len(doc) != len(want) {
				t.Errorf("members %v, want exactly %v", doc, want)
			}
			for name, value := range want {
				if doc[name] != value {
					t.Errorf("%s = %v, want %v", name, doc[name], value)
				}
			}
		})
	}
}

func TestDocumentWithoutRequestIDLeavesTheMemberOut(t *testing.T) {
	var doc map[string]any
	if err := json.Unmarshal(Forbidden.Document(""), &doc); err != nil {
		t.Fatal(err)
	}
	if _, ok := doc["request_id"]; ok {
		t.Errorf("request_id present: %v", doc)
	}
}

func TestAppendJSONKeepsEveryFieldThatIsSet(t *testing.T) {
	v := Verdict{
		Policy: "upload", Version: "v1", Decision: Deny, Feature: FeatureUploads,
		Rule: "type_mismatch", Reason: "declared \"pdf\", found exe", Problem: UnsupportedFileType,
		Files: []File{{Name: "a\x00b\u202e.pdf", Declared: "application/pdf", Detected: "exe", Size: 7}, {Size: 1}},
	}
	var got struct {
		Decision, Policy, Version, Feature, Rule, Reason string
		Status                                           int
		Files                                            []struct {
			Name, Declared, Detected string
			Size                     int64
		}
	}
	if err := json.Unmarshal(v.AppendJSON(nil), &got); err != nil {
		t.Fatal(err)
	}
	if got.Decision != "deny" || got.Policy != "upload" || got.Version != "v1" || got.Feature != "uploads" ||
		got.Rule != "type_mismatch" || got.Reason != v.Reason || got.Status != 415 {
		t.Errorf("got %+v", got)
	}
	if len(got.Files) != 2 || got.Files[0].Name != v.Files[0].Name || got.Files[0].Size != 7 || got.Files[1].Size != 1 {
		t.Errorf("files %+v", got.Files)
	}
}

func TestAppendJSONOfAnAllowCarriesNoStatus(t *testing.T) {
	v := Verdict{Decision: Allow}
	if got := string(v.AppendJSON(nil)); got != `{"decision":"allow"}` {
		t.Errorf("got %s", got)
	}
}

func FuzzAppendStringIsAlwaysTheSameStringInJSON(f *testing.F) {
	for _, s := range []string{"", "plain", `"\`, "\x00\x1f\x7f", "é\u2028\U0001f600", "\xff\xfe", "\xed\xa0\x80"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var got string
		if err := json.Unmarshal(AppendString(nil, s), &got); err != nil {
			t.Fatalf("%q is not JSON: %v", s, err)
		}
		if utf8.ValidString(s) && got != s {
			t.Errorf("%q came back as %q", s, got)
		}
		if !utf8.ValidString(got) {
			t.Errorf("%q gave invalid UTF-8", s)
		}
	})
}

func TestAProblemMayHaveAMemberOfItsOwn(t *testing.T) {
	for want, got := range map[string][]byte{
		`{"type":"urn:gatehouse:problem:consent-required","title":"Consent is required","status":403,"request_id":"r","purpose":"a\"b"}`: ConsentRequired.DocumentWith("r", "purpose", `a"b`),
		`{"type":"urn:gatehouse:problem:forbidden","title":"Not allowed","status":403}`:                                                  Forbidden.DocumentWith("", "purpose", ""),
	} {
		if string(got) != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
