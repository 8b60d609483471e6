package upload

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// testimony is all that an inspection says of a body that comes in pieces; the pieces
// land in the same memory, if there is one, and are written over.
func testimony(i *Inspector, refusal *Refusal, body string, memory []byte, piece func() int) string {
	for at := 0; refusal == nil && at < len(body); {
		n := min(piece(), len(body)-at)
		chunk := []byte(body[at : at+n])
		if memory != nil {
			chunk = memory[:copy(memory, chunk)]
		}
		_, refusal = i.Write(chunk)
		if memory != nil {
			for k := range chunk {
				chunk[k] = '<'
			}
		}
		at += n
	}
	if refusal == nil {
		refusal = i.Close()
	}
	said := ""
	if refusal != nil {
		said = refusal.Rule + ": " + refusal.Reason
	}
	if i == nil {
		return said
	}
	return fmt.Sprintf("%s %+v", said, i.Files())
}

func TestMemoryThatIsUsedAgainTellsWhatNewMemoryTells(t *testing.T) {
	t.Parallel()
	p := policyOf(t, Config{MaxFileSize: 64 << 20, Names: NamesRewrite})
	bodies := whole(t)
	names := make([]string, 0, len(bodies)+len(samples(t)))
	media := "multipart/form-data; boundary=" + longBoundary
	for name := range bodies {
		names = append(names, name)
	}
	for _, s := range samples(t) {
		bodies[s.name] = inForm(s.file, s.declared, s.content)
		names = append(names, s.name)
	}
	bodies["several files"] = inForm("a.txt", "text/plain", "one")[:len(inForm("a.txt", "text/plain", "one"))-len("--\r\n")] + "\r\n" +
		inForm("b\x08.txt", "text/plain", "two")
	names = append(names, "several files")
	room, memory := new(Room), make([]byte, 1<<20)
	r := rand.New(rand.NewPCG(9, 10))
	for range 3 * len(names) {
		name := names[r.IntN(len(names))]
		body := bodies[name]
		whole, cut := 1+r.IntN(2) == 1, 1+r.IntN(9000)
		piece := func() int {
			if whole {
				return len(body)
			}
			return cut
		}
		request := Request{Method: "POST", ContentType: media, ContentLength: int64(len(body))}
		fresh, refusal := p.Inspect(request)
		want := testimony(fresh, refusal, body, nil, piece)
		again, refusal := p.InspectIn(room, &request)
		if got := testimony(again, refusal, body, memory, piece); got != want {
			t.Errorf("%s: %q, in new memory %q", name, got, want)
		}
		if r.IntN(2) == 0 { // else it is given up without a word
			room.Release()
		}
	}
}

func TestWhatAnInspectionHasTakenIsGivenBack(t *testing.T) {
	t.Parallel()
	p := policyOf(t, Config{MaxFileSize: 64 << 20})
	room := new(Room)
	i, refusal := p.InspectIn(room, &Request{Method: "POST", ContentType: "multipart/form-data; boundary=" + longBoundary, ContentLength: -1})
	if refusal != nil {
		t.Fatal(refusal)
	}
	body := inForm("a.jpg", "image/jpeg", largeJPEG(60_000))
	if _, refusal = i.Write([]byte(body[:50_000])); refusal != nil || room.file.kept.buf == nil {
		t.Fatalf("nothing is kept of a file that goes on: %v", refusal)
	}
	files := i.Files()
	room.Release()
	if room.file.kept.buf != nil || room.file.check != nil || room.inspector.carrier != nil {
		t.Error("something is left")
	}
	if len(files) != 1 || files[0].Name != "a.jpg" {
		t.Errorf("what was given out has gone: %+v", files)
	}
}

func TestNothingIsKeptOfAFileThatEndsInThePieceItBeganIn(t *testing.T) {
	t.Parallel()
	p := policyOf(t, Config{MaxFileSize: 64 << 20})
	room := new(Room)
	body := inForm("a.jpg", "image/jpeg", largeJPEG(60_000))
	i, refusal := p.InspectIn(room, &Request{Method: "POST", ContentType: "multipart/form-data; boundary=" + longBoundary, ContentLength: int64(len(body))})
	if refusal == nil {
		_, refusal = i.Write([]byte(body))
	}
	if refusal != nil || room.file.kept.buf != nil {
		t.Errorf("%v, kept %v", refusal, room.file.kept.buf != nil)
	}
}
