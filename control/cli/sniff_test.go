package cli

import (
	"encoding/json"
	"strings"
	"testing"
)

const (
	honestPNG = "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89" +
		"\x00\x00\x00\rIDATx\xdac\xfc\xcf\xc0P\x0f\x00\x04\x85\x01\x80\x84\xa9\x8c!\x00\x00\x00\x00IEND\xaeB`\x82"
	program = "MZ\x90\x00\x03\x00\x00\x00\x04\x00\x00\x00\xff\xff\x00\x00\xb8\x00\x00\x00\x00\x00\x00\x00"
)

var suspects = map[string]string{
	"photo.png": honestPNG,
	"note.txt":  "An honest note.\n",
	"fake.pdf":  program,
}

func TestSniffAcceptsTheHonestAndRejectsTheRest(t *testing.T) {
	t.Parallel()
	r := run(t, suspects, "sniff", "$DIR/photo.png", "$DIR/fake.pdf", "$DIR/note.txt")
	lines := strings.Split(strings.TrimSuffix(r.stdout, "\n"), "\n")
	if r.code != ExitWrong || len(lines) != 3 {
		t.Fatalf("%+v", r)
	}
	for i, want := range []string{"accept  $DIR/photo.png  png", "reject  $DIR/fake.pdf  exe  ", "accept  $DIR/note.txt  txt"} {
		if !strings.HasPrefix(lines[i], want) {
			t.Errorf("line %d: %q", i+1, lines[i])
		}
	}
	if r := run(t, suspects, "sniff", "$DIR/photo.png", "$DIR/note.txt"); r.code != ExitDone {
		t.Errorf("honest files: %+v", r)
	}
}

func TestSniffAllowsOnlyWhatIsAllowed(t *testing.T) {
	t.Parallel()
	r := run(t, suspects, "sniff", "$DIR/photo.png", "--allow", "pdf,jpeg", "--output", "json")
	var line sniffLine
	if err := json.Unmarshal([]byte(r.stdout), &line); err != nil {
		t.Fatalf("%v: %+v", err, r)
	}
	if r.code != ExitWrong || line.Verdict != "reject" || line.Detected != "png" || line.Rule == "" || line.Reason == "" {
		t.Errorf("%+v", line)
	}
	if r := run(t, suspects, "sniff", "$DIR/photo.png", "--allow", "image", "--content-type", "image/jpeg"); r.code != ExitWrong {
		t.Errorf("a type declared falsely: %+v", r)
	}
}

func TestSniffJudgesAManifestLineByLine(t *testing.T) {
	t.Parallel()
	files := map[string]string{"photo.png": honestPNG, "blob": honestPNG, "fake.pdf": program, "m.jsonl": `{"path":"photo.png","filename":"holiday.png","content_type":"image/png"}
{"path":"blob","filename":"x.png","content_type":"image/png","note":"another key"}
{"path":"blob","filename":"x.gif","content_type":"image/png"}

{"path":"fake.pdf","content_type":"application/pdf"}
`}
	r := run(t, files, "sniff", "--manifest", "$DIR/m.jsonl")
	if r.code != ExitDone || r.stderr != "" {
		t.Fatalf("%+v", r)
	}
	var got []string
	for text := range strings.Lines(r.stdout) {
		var line map[string]any
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		for _, key := range []string{"path", "verdict", "detected", "rule", "reason"} {
			if _, ok := line[key]; !ok {
				t.Errorf("no %s in %s", key, text)
			}
		}
		got = append(got, line["path"].(string)+" "+line["verdict"].(string))
	}
	if want := "photo.png accept,blob accept,blob reject,fake.pdf reject"; strings.Join(got, ",") != want {
		t.Errorf("got %v", got)
	}
}

func TestSniffReportsWhatItCannotReadAndGoesOn(t *testing.T) {
	t.Parallel()
	files := map[string]string{"photo.png": honestPNG, "m.jsonl": "not JSON\n{}\n{\"path\":\"none.png\"}\n{\"path\":\"photo.png\"}\n"}
	r := run(t, files, "sniff", "--manifest", "$DIR/m.jsonl")
	if r.code != ExitWrong || strings.Count(r.stdout, "\n") != 1 || !strings.Contains(r.stdout, `"accept"`) {
		t.Errorf("%+v", r)
	}
	for _, want := range []string{"$DIR/m.jsonl:1: ", "$DIR/m.jsonl:2: ", "$DIR/m.jsonl:3: "} {
		if !strings.Contains(r.stderr, want) {
			t.Errorf("stderr lacks %s: %s", want, r.stderr)
		}
	}
	if r := run(t, files, "sniff", "$DIR/none.png", "$DIR/photo.png"); r.code != ExitWrong || !strings.Contains(r.stdout, "accept") {
		t.Errorf("%+v", r)
	}
}

func TestSniffUsedWrongly(t *testing.T) {
	t.Parallel()
	for name, line := range map[string][]string{
		"nothing to judge":       {"sniff"},
		"an unknown type":        {"sniff", "$DIR/photo.png", "--allow", "pngg"},
		"files beside manifests": {"sniff", "--manifest", "$DIR/m.jsonl", "$DIR/photo.png"},
	} {
		if r := run(t, suspects, line...); r.code != ExitUsage || r.stdout != "" {
			t.Errorf("%s: %+v", name, r)
		}
	}
}
