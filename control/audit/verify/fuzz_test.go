package verify_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"gatehouse/control/audit/verify"
)

// same gives the same bytes for every file of a log.
type same []byte

func (s same) Read(context.Context, string, int64) ([]byte, error) { return s, nil }

func FuzzNoFileMakesALogOfOtherEntries(f *testing.F) {
	f.Add([]byte("\x00\x02{}"), int64(1))
	f.Add(make([]byte, 32), int64(1))
	f.Add(make([]byte, 8192), int64(256))
	f.Add([]byte(strings.Repeat("\x00\x00", 300)), int64(70_000))
	f.Fuzz(func(t *testing.T, file []byte, size int64) {
		if size < 1 || size > 1<<40 {
			return
		}
		root := tlog.RecordHash([]byte("an entry that is not there"))
		_, err := verify.Walk(t.Context(), same(file), verify.Tree{Size: size, Root: root}, 0, func(int64, []byte) error { return nil })
		var bad *verify.Fault
		if !errors.As(err, &bad) || bad.Index >= size {
			t.Errorf("%v", err)
		}
	})
}

func FuzzACheckpointIsWhatWasSigned(f *testing.F) {
	f.Add("log", "7", "AAAA")
	f.Add("x\n", "-1", base64.StdEncoding.EncodeToString(make([]byte, 32)))
	f.Add("x", "01", base64.StdEncoding.EncodeToString(make([]byte, 32)))
	signing, public, err := note.GenerateKey(zeros{}, "log")
	if err != nil {
		f.Fatal(err)
	}
	s, err := note.NewSigner(signing)
	if err != nil {
		f.Fatal(err)
	}
	v, err := verify.ParseKey(public)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, origin, size, root string) {
		text, err := note.Sign(&note.Note{Text: origin + "\n" + size + "\n" + root + "\n"}, s)
		if err != nil {
			return // no text of a note
		}
		head, err := verify.OpenCheckpoint(text, "checkpoint", v)
		if err == nil && (head.Origin != "log" || head.Size < 0 || !strings.HasPrefix(origin+"\n"+size+"\n"+root+"\n", fmt.Sprintf("log\n%d\n%s\n", head.Size, head.Root))) {
			t.Errorf("%q %q %q was read as %+v", origin, size, root, head)
		}
	})
}
