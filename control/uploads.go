package control

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"gatehouse/control/api"
	"gatehouse/control/policy"
	"gatehouse/control/scan"
	filterpolicy "gatehouse/filter/policy"
	filterscan "gatehouse/filter/scan"
	"gatehouse/filter/upload"
)

// uploads implements api.UploadJudge with the live policy's inspectors, and the
// scanner where a policy scans.
type uploads struct {
	scans *scan.Service
	set   atomic.Pointer[filterpolicy.Set]
}

// use makes a policy the one that files are judged by.
func (u *uploads) use(compiled *policy.Compiled) error {
	set, err := filterpolicy.Compile(compiled.Filter)
	if err != nil {
		return fmt.Errorf("judge files by the policy: %w", err)
	}
	u.set.Store(set)
	return nil
}

// JudgeUpload implements api.UploadJudge.
func (u *uploads) JudgeUpload(ctx context.Context, f api.UploadFile) (api.UploadVerdict, error) {
	set := u.set.Load()
	if set == nil {
		return api.UploadVerdict{}, api.ErrNotFound
	}
	chosen, ok := set.Lookup(f.Policy)
	if !ok || chosen.Uploads == nil {
		return api.UploadVerdict{}, api.ErrNotFound
	}
	sum, alone := sha256.New(), upload.Alone{Name: f.Name, ContentType: f.ContentType}
	settings := chosen.Uploads.Scan()
	t := &tap{scans: u.scans, settings: settings, context: ctx}
	defer t.close()
	if settings != nil {
		alone.Tap = t
	}
	found, err := chosen.Uploads.Judge(io.TeeReader(f.Body, sum), alone)
	if err != nil {
		return api.UploadVerdict{}, err
	}
	media, _, _ := strings.Cut(f.ContentType, ";")
	v := api.UploadVerdict{
		Verdict: "accept", Mode: "enforce", Declared: strings.ToLower(strings.TrimSpace(media)), Detected: found.Detected,
		Size: found.Size, SHA256: hex.EncodeToString(sum.Sum(nil)),
	}
	if chosen.UploadsReport {
		v.Mode = "report"
	}
	if !found.Accepted {
		return reject(v, found.Rule, found.ID, found.Reason, found.Offset), nil
	}
	return t.decide(v), nil
}

func reject(v api.UploadVerdict, rule, id, reason string, offset int64) api.UploadVerdict {
	v.Verdict, v.Rule, v.RuleID, v.Reason, v.Offset = "reject", rule, id, reason, &offset
	return v
}

// tap has the scanner look at one file.
type tap struct {
	scans    *scan.Service
	settings *filterscan.Settings
	context  context.Context //nolint:containedctx // it lives as long as one call
	file     scan.File
	full     bool // the scanner wants no more
	found    filterscan.Finding
	wanted   bool // the verdict counts
}

func (t *tap) Begin(kind string) {
	silence := time.Duration(t.settings.Millis) * time.Millisecond
	file, err := t.scans.Begin(t.context, kind, silence)
	if err != nil {
		t.found = scan.Failure(err)
		return
	}
	t.file = file
}

func (t *tap) Write(b []byte) {
	if t.file != nil && !t.full {
		t.full = t.file.Write(b)
	}
}

func (t *tap) End(uncertain bool) {
	t.wanted = t.settings.Always || uncertain
	if t.file != nil && (t.wanted || t.full) {
		t.found = t.file.Finish()
	}
}

func (t *tap) close() {
	if t.file != nil {
		t.file.Close()
	}
}

// decide draws the policy's consequences of what the scanner said.
func (t *tap) decide(v api.UploadVerdict) api.UploadVerdict {
	if t.found.Outcome != filterscan.Malicious && !t.wanted {
		return v
	}
	accept := false
	switch t.found.Outcome {
	case filterscan.Clean:
		v.Scanned = true
		return v
	case filterscan.TimedOut:
		accept = t.settings.AcceptTimeout
	case filterscan.Failed, filterscan.TooLarge:
		accept = t.settings.AcceptError
	case filterscan.None, filterscan.Malicious:
	}
	r := upload.ScanRefusal(t.found)
	if accept {
		v.Note = r.Reason
		return v
	}
	return reject(v, r.Rule, r.ID(), r.Reason, v.Size)
}
