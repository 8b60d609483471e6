package upload

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

// readForm is a form as a reader has it: name, file name and content of each part,
// in the order of the alphabet, because some keep files and fields apart.
type readForm []string

func partLine(name, filename string, content []byte) string {
	return name + "\x00" + filename + "\x00" + string(content)
}

// readerCase is a request that is shown to several readers.
type readerCase struct{ name, contentType, body string }

func (c readerCase) id() string {
	sum := sha256.Sum256([]byte(c.contentType + "\n" + c.body))
	return hex.EncodeToString(sum[:6])
}

// readerCases are honest forms, each with one thing changed at one place: a
// character put in, taken out or made another. Most of them nobody should accept.
func readerCases() []readerCase {
	const contentType = "multipart/form-data; boundary=XyZ; charset=utf-8"
	forms := []string{
		formBody(filePart("a.txt", "text/plain", "hello"), "Content-Disposition: form-data; name=a\r\n\r\nv"),
		formBody("Content-Disposition:   form-data; name=\"f\"; filename=\"b c.txt\"; filename*=UTF-8''b%20c.txt \r\nX-A: b\r\n\r\nx"),
	}
	var out []readerCase
	for _, body := range forms {
		out = append(out, readerCase{"the form itself", contentType, body})
		for i := range len(body) {
			for _, m := range mutations(body, i) {
				out = append(out, readerCase{"at " + quote(body[max(0, i-5):i]), contentType, m})
			}
		}
	}
	for i := range len(contentType) {
		for _, m := range mutations(contentType, i) {
			// Servers refuse these in a header before they look at it.
			if !strings.ContainsAny(m, "\r\n\x00") {
				out = append(out, readerCase{"in the type", m, forms[0]})
			}
		}
	}
	return out
}

func mutations(s string, at int) []string {
	out := []string{s[:at] + s[at+1:], s[:at] + s[at:at+1] + s[at:]}
	for _, c := range []string{"\r", "\n", "\r\n", "\x00", " ", "\t", `"`, `\`, ";", ",", "-", "=", ":", "'", "%", "*", "\x0b", "\u0085", "é", "a", "/", "--XyZ"} {
		out = append(out, s[:at]+c+s[at:], s[:at]+c+s[at+1:])
	}
	return out
}

// ours is the form as this package reads it, and whether it lets it through.
func ours(p *Policy, c readerCase) (form readForm, accepted bool) {
	r := Request{ContentType: c.contentType, ContentLength: -1}
	i, refusal := p.Inspect(r)
	if refusal != nil {
		return nil, false
	}
	if _, refusal := i.Write([]byte(c.body)); refusal != nil || i.Close() != nil {
		return nil, false
	}
	_, params, _ := parseParams(c.contentType)
	b, _ := boundary(params)
	var parts recording
	m := newMultipartReader(b, &parts)
	if m.write([]byte(c.body)) != nil {
		return nil, false
	}
	for i, content := range parts.parts {
		form = append(form, partLine(parts.fields[i], parts.names[i], []byte(content)))
	}
	slices.Sort(form)
	return form, true
}

func goReads(c readerCase) (form readForm, err error) {
	_, params, err := mime.ParseMediaType(c.contentType)
	if err != nil {
		return nil, err
	}
	reader := multipart.NewReader(strings.NewReader(c.body), params["boundary"])
	for {
		part, err := reader.NextPart()
		if errors.Is(err, io.EOF) {
			slices.Sort(form)
			return form, nil
		}
		if err != nil {
			return nil, err
		}
		content, err := io.ReadAll(part)
		if err != nil {
			return nil, err
		}
		_, names, _ := mime.ParseMediaType(part.Header.Get("Content-Disposition"))
		form = append(form, partLine(part.FormName(), names["filename"], content))
	}
}

// agreedFile lists the accepted requests that all recorded readers read as this
// package does: busboy 1.6.0 and formidable 3.5.4 of Node, python-multipart 0.0.34,
// werkzeug 3.1.9 and multipart 2.0.1 of Python. make multipart-readers writes it.
const agreedFile = "testdata/readers/agreed.txt"

func TestWhatIsAcceptedAllReadersReadAlike(t *testing.T) {
	p := policyOf(t, Config{Allow: KnownTypes()})
	known, err := os.ReadFile(agreedFile)
	must(t, err)
	var accepted []readerCase
	forms := map[string]readForm{}
	for _, c := range readerCases() {
		form, ok := ours(p, c)
		if !ok || forms[c.id()] != nil {
			continue
		}
		accepted, forms[c.id()] = append(accepted, c), form
		if theirs, err := goReads(c); err == nil && !slices.Equal(theirs, form) {
			t.Errorf("%s: %q\n%q\nGo reads %q, we %q", c.name, c.contentType, c.body, theirs, form)
		}
	}
	if readers := os.Getenv("GATEHOUSE_MULTIPART_READERS"); readers != "" {
		record(t, strings.Fields(readers), accepted, forms)
		return
	}
	for _, c := range accepted {
		if !bytes.Contains(known, []byte(c.id()+"\n")) {
			t.Errorf("%s: accepted, and never shown to other readers (make multipart-readers): %q %q", c.name, c.contentType, c.body)
		}
	}
}

// record runs the readers: the folder of Node's modules, then Python.
func record(t *testing.T, readers []string, accepted []readerCase, forms map[string]readForm) {
	t.Helper()
	var input bytes.Buffer
	for _, c := range accepted {
		must(t, json.NewEncoder(&input).Encode(map[string]string{
			"id": c.id(), "type": c.contentType, "body": base64.StdEncoding.EncodeToString([]byte(c.body)),
		}))
	}
	commands := [][]string{{"node", "testdata/readers/read.mjs", readers[0]}, {readers[1], "testdata/readers/read.py"}}
	agreed := map[string]bool{}
	for id := range forms {
		agreed[id] = true
	}
	for _, command := range commands {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
		cmd := exec.CommandContext(ctx, command[0], command[1:]...)
		cmd.Stdin, cmd.Stderr = bytes.NewReader(input.Bytes()), os.Stderr
		out, err := cmd.Output()
		cancel()
		must(t, err)
		for line := range strings.Lines(string(out)) {
			judgeAnswer(t, line, accepted, forms, agreed)
		}
	}
	ids := make([]string, 0, len(agreed))
	for id, ok := range agreed {
		if ok {
			ids = append(ids, id+"\n")
		}
	}
	slices.Sort(ids)
	must(t, os.WriteFile(agreedFile, []byte(strings.Join(ids, "")), 0o600))
	t.Logf("%d of %d accepted requests are read alike", len(ids), len(accepted))
}

func judgeAnswer(t *testing.T, line string, accepted []readerCase, forms map[string]readForm, agreed map[string]bool) {
	t.Helper()
	var answer map[string]json.RawMessage
	must(t, json.Unmarshal([]byte(line), &answer))
	var id string
	must(t, json.Unmarshal(answer["id"], &id))
	for reader, raw := range answer {
		var parts [][3]*string
		if reader == "id" || json.Unmarshal(raw, &parts) != nil {
			continue // a reader that refuses is not deceived
		}
		var form readForm
		for _, p := range parts {
			var s [3]string
			for i := range p {
				if p[i] != nil {
					s[i] = *p[i]
				}
			}
			content, err := base64.StdEncoding.DecodeString(s[2])
			must(t, err)
			form = append(form, partLine(s[0], s[1], content))
		}
		slices.Sort(form)
		if slices.Equal(form, forms[id]) {
			continue
		}
		agreed[id] = false
		i := slices.IndexFunc(accepted, func(c readerCase) bool { return c.id() == id })
		t.Errorf("%s: %q\n%q\n%s reads %q, we %q", accepted[i].name, accepted[i].contentType, accepted[i].body, reader, form, forms[id])
	}
}
