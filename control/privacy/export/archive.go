package export

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"

	"golang.org/x/mod/sumdb/note"

	"gatehouse/control/privacy/connector"
	"gatehouse/control/privacy/datamap"
)

// About says what the archive answers.
type About struct {
	Request    string // its id
	Kind       connector.Kind
	Received   time.Time // when the person asked
	Created    time.Time // now
	Controller datamap.Controller
	// Activities are what the person is to be told of the processing (Art. 15(1)).
	Activities []datamap.Activity
	// Dir is where data are put aside, encrypted, until the archive is written;
	// empty is the system's folder for temporary files.
	Dir string
}

// Records hands over all records, one after the other.
type Records func(fn func(connector.Record) error) error

// archive is one that is being written.
type archive struct {
	about    About
	zip      *zip.Writer
	manifest Manifest
}

// Write writes the archive; the manifest is signed only when all else was
// written. An error means that what was written is to be thrown away.
func Write(ctx context.Context, w io.Writer, about About, signer note.Signer, records Records) (err error) {
	a := &archive{about: about, zip: zip.NewWriter(w)}
	a.manifest = Manifest{
		Format: format, Request: about.Request, Kind: about.Kind, Received: about.Received.UTC(), Created: about.Created.UTC().Truncate(time.Second),
	}
	if err := a.member("README.txt", 0, func(w io.Writer) error { return a.readme(w, signer.Name()) }); err != nil {
		return err
	}
	if err := a.flush(w); err != nil {
		return err
	}
	aside := newSpool(about.Dir)
	defer func() { err = errors.Join(err, aside.Close()) }()
	err = records(func(r connector.Record) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		return aside.add(r)
	})
	if err != nil {
		return err
	}
	for _, part := range []func(*spool) error{a.data, a.information, a.page} {
		if err := part(aside); err != nil {
			return err
		}
	}
	return a.sign(signer)
}

// flush sends what there is, so that whoever waits sees that it has begun.
func (a *archive) flush(w io.Writer) error {
	if err := a.zip.Flush(); err != nil {
		return fmt.Errorf("write the archive: %w", err)
	}
	if f, ok := w.(interface{ FlushError() error }); ok {
		// A writer that cannot is not wrong.
		_ = f.FlushError()
	}
	return nil
}

// member writes one file of the archive and enters it into the manifest.
func (a *archive) member(name string, records int64, fn func(io.Writer) error) error {
	m := &measured{sum: sha256.New()}
	w, err := a.zip.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: a.manifest.Created})
	if err == nil {
		m.w = w
		err = fn(m)
	}
	if err != nil {
		return fmt.Errorf("write %s of the archive: %w", name, err)
	}
	a.manifest.Members = append(a.manifest.Members, Member{Name: name, Size: m.n, SHA256: hex.EncodeToString(m.sum.Sum(nil)), Records: records})
	return nil
}

// measured counts and hashes what passes.
type measured struct {
	w   io.Writer
	n   int64
	sum hash.Hash
}

// Write implements io.Writer.
func (m *measured) Write(b []byte) (int, error) {
	n, err := m.w.Write(b)
	m.n += int64(n)
	m.sum.Write(b[:n])
	return n, err
}

// data writes each collection twice: as JSON, which is exact, and as CSV.
func (a *archive) data(s *spool) error {
	for _, c := range s.collections {
		if err := a.member(c.path+".json", c.records, c.writeJSON); err != nil {
			return err
		}
		if err := a.member(c.path+".csv", c.records, c.writeCSV); err != nil {
			return err
		}
	}
	return nil
}

// information is what Art. 15(1) demands beside the data.
func (a *archive) information(*spool) error {
	if a.about.Kind != connector.Access {
		return nil
	}
	return a.member("information.json", 0, func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(struct {
			Controller datamap.Controller `json:"controller"`
			Processing []datamap.Activity `json:"processing"`
			Rights     []string           `json:"rights"`
		}{a.about.Controller, a.about.Activities, rights()})
	})
}

// rights are those that a person must be told of (Art. 15(1)(e), (f)).
func rights() []string {
	return []string{
		"You can have wrong data corrected (Art. 16 GDPR), erased (Art. 17), or restricted in their use (Art. 18).",
		"You can receive the data that you have provided, to give them to somebody else (Art. 20), and object to their use (Art. 21).",
		"You can withdraw a consent at any time; what was done before stays lawful (Art. 7(3)).",
		"You can complain to a supervisory authority (Art. 77).",
	}
}

func (a *archive) readme(w io.Writer, signer string) error {
	what := "a copy of the data about you (Art. 15(3) GDPR)"
	first := "index.html       the same to read, with why the data are there and what your rights are\ninformation.json that, for programs\n"
	if a.about.Kind == connector.Portability {
		what, first = "the data that you have provided, to take along (Art. 20 GDPR)", ""
	}
	_, err := fmt.Fprintf(w, "This archive is %s,\nas of %s. Request %s.\n\n"+first+
		"data/            each kind of data as JSON, which is exact, and as CSV for spreadsheets;\n"+
		"                 in CSV, a text that a spreadsheet could take for a formula begins with '\n"+
		"manifest.json    every file here with its SHA-256\n"+
		"manifest.sig     the manifest's signature by %s (C2SP signed-note)\n\n"+
		"With the public key: gatehouse subject verify-export FILE --key KEY\n", what, a.manifest.Created.Format(time.RFC1123), a.about.Request, signer)
	return err
}
