package export_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"strings"
	"testing"

	"gatehouse/control/privacy/connector"
	"gatehouse/control/privacy/export"
)

// rebuild makes an archive of files that were changed.
func rebuild(t testing.TB, archive []byte, change func(name, text string, add func(name, text string))) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	add := func(name, text string) {
		f, err := w.Create(name)
		if err == nil {
			_, err = f.Write([]byte(text))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	r, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		t.Fatal(err)
	}
	files := unzip(t, archive)
	for _, f := range r.File {
		change(f.Name, files[f.Name], add)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestWhatWasChangedIsFoundAndNamed(t *testing.T) {
	t.Parallel()
	signer, verifier := keys(t)
	stranger, _ := keys(t)
	archive := write(t, about(t, connector.Access), signer, sample())
	other := write(t, about(t, connector.Access), signer, of(record("customers", "1", map[string]any{"name": "Eve"})))
	only := func(name string, change func(string) string) func(string, string, func(string, string)) {
		return func(n, text string, add func(string, string)) {
			if n == name {
				text = change(text)
			}
			add(n, text)
		}
	}
	with := func(name, text string) func(string, string, func(string, string)) {
		return func(n, t string, add func(string, string)) {
			add(n, t)
			if n == "README.txt" {
				add(name, text)
			}
		}
	}
	without := func(name string) func(string, string, func(string, string)) {
		return func(n, text string, add func(string, string)) {
			if n != name {
				add(n, text)
			}
		}
	}
	for name, test := range map[string]struct {
		change func(string, string, func(string, string))
		want   string
	}{
		"a value of the same length":  {only("data/shop/customers.json", func(s string) string { return strings.Replace(s, "Ann", "Eve", 1) }), `"data/shop/customers.json": is not what it was`},
		"a file that has grown":       {only("index.html", func(s string) string { return s + " " }), `"index.html": has another size`},
		"a file that is gone":         {without("data/shop/orders.csv"), `"data/shop/orders.csv": is missing`},
		"a file that was added":       {with("data/shop/more.json", "[]"), `"data/shop/more.json": is not in the manifest`},
		"a file that is there twice":  {with("data/shop/customers.json", "[]"), `"data/shop/customers.json": is there twice`},
		"a way out":                   {with("../evil", "x"), `"../evil": its name could lead out`},
		"another way out":             {with(`data\..\..\evil`, "x"), `its name could lead out`},
		"a manifest that was changed": {only("manifest.json", func(s string) string { return strings.Replace(s, "access", "erasur", 1) }), `"manifest.json": is not the one that was signed`},
		"another's manifest":          {only("manifest.json", func(string) string { return unzip(t, other)["manifest.json"] }), `"manifest.json": is not the one that was signed`},
		"a manifest and signature of another archive": {func(n, text string, add func(string, string)) {
			if strings.HasPrefix(n, "manifest") {
				text = unzip(t, other)[n]
			}
			add(n, text)
		}, "has another size than the manifest says"},
		"no manifest":  {without("manifest.json"), `"manifest.json": is missing: the archive broke off`},
		"no signature": {without("manifest.sig"), `"manifest.sig": is missing`},
		"a stranger's": {only("manifest.sig", func(string) string {
			return unzip(t, write(t, about(t, connector.Access), stranger, sample()))["manifest.sig"]
		}), "is not signed by audit.example.com/log"},
		"no signed note":         {only("manifest.sig", func(string) string { return "signed\n" }), "is no signed note"},
		"a forged signature":     {only("manifest.sig", func(s string) string { return strings.Replace(s, "0123456789abcdef", "0123456789abcdee", 1) }), "the signature of audit.example.com/log is not of this text"},
		"a manifest without end": {only("manifest.json", func(s string) string { return s + strings.Repeat(" ", 17<<20) }), "is larger than"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			changed := rebuild(t, archive, test.change)
			_, err := export.Verify(bytes.NewReader(changed), int64(len(changed)), verifier)
			var fault *export.Fault
			if !errors.As(err, &fault) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v", err)
			}
		})
	}
}

func FuzzVerify(f *testing.F) {
	signer, verifier := keys(f)
	archive := write(f, about(f, connector.Access), signer, sample())
	f.Add(archive)
	f.Add(archive[:len(archive)/2])
	f.Fuzz(func(t *testing.T, changed []byte) {
		m, err := export.Verify(bytes.NewReader(changed), int64(len(changed)), verifier)
		if err == nil && m.Request != "0123456789abcdef" {
			t.Fatalf("somebody else's archive was taken: %+v", m)
		}
	})
}
