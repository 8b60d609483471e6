package export

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"golang.org/x/mod/sumdb/note"

	"gatehouse/control/privacy/connector"
)

// format is the first line of what is signed: no checkpoint of a log begins so.
const format = "gatehouse.export/v1"

// Names of the two members that the manifest does not have.
const (
	manifestName  = "manifest.json"
	signatureName = "manifest.sig"
)

// Manifest lists the members of an archive.
type Manifest struct {
	Format   string         `json:"format"`
	Request  string         `json:"request"`
	Kind     connector.Kind `json:"kind"`
	Received time.Time      `json:"received"`
	Created  time.Time      `json:"created"`
	Members  []Member       `json:"members"`
}

// Member is one file of an archive.
type Member struct {
	Name    string `json:"name"`
	Size    int64  `json:"size"`
	SHA256  string `json:"sha256"` // hexadecimal
	Records int64  `json:"records,omitempty"`
}

// signed is the text that is signed in the manifest's place: a note holds no
// more than lines of text.
func signed(m Manifest, manifest []byte) string {
	return fmt.Sprintf("%s\n%s\n%s\nsha256:%x\n", format, m.Request, m.Created.Format(time.RFC3339), sha256.Sum256(manifest))
}

// sign writes the manifest and its signature, and ends the archive.
func (a *archive) sign(signer note.Signer) error {
	manifest, err := json.MarshalIndent(a.manifest, "", "  ")
	if err != nil {
		return fmt.Errorf("write the manifest: %w", err)
	}
	manifest = append(manifest, '\n')
	signature, err := note.Sign(&note.Note{Text: signed(a.manifest, manifest)}, signer)
	if err != nil {
		return fmt.Errorf("sign the manifest: %w", err)
	}
	for _, file := range []struct {
		name string
		text []byte
	}{{manifestName, manifest}, {signatureName, signature}} {
		err := a.member(file.name, 0, func(w io.Writer) error {
			_, err := w.Write(file.text)
			return err
		})
		if err != nil {
			return err
		}
	}
	if err := a.zip.Close(); err != nil {
		return fmt.Errorf("end the archive: %w", err)
	}
	return nil
}
