package upload

import (
	"encoding/base64"
	"strconv"
	"strings"
)

// stretch is which part of a file a body is.
type stretch struct {
	start   int64
	total   int64 // of the file, -1: unknown
	partial bool  // the body may end before the file
}

// stretch judges what a request says about a body that is a part of a file, by
// Content-Range, tus 1.0 or its successors. Servers that do not know these headers
// take the body for the whole file, so by default it is judged as one, to its end,
// and one that does not begin its file is refused. Only a policy that says
// on_uncertain: accept in so many words lets stretches pass: the first is
// then judged as far as it goes, later ones by their size alone. What came before
// may have been harmless only as long as nothing followed.
func (p *Policy) stretch(r Request) (stretch, *Refusal) {
	s, ok := readStretch(r)
	switch {
	case !ok:
		return s, malformed("Content-Range, Upload-Offset, Upload-Length or Upload-Complete is not one, or they disagree")
	case r.UploadConcat != "" && !p.acceptUncertain:
		return s, refuse("GH-FRM-004", "an upload that is put together with others (Upload-Concat)")
	case s.start > 0 && !p.acceptUncertain:
		return s, refuse("GH-FRM-004", "a stretch of a file that begins at byte "+strconv.FormatInt(s.start, 10))
	case s.total > p.maxFile:
		return s, &Refusal{Rule: RuleFileSize, Problem: tooLarge,
			Reason: "a stretch of a file larger than " + strconv.FormatInt(p.maxFile, 10) + " bytes"}
	}
	s.partial = (s.partial || r.UploadConcat != "") && p.acceptUncertain
	return s, nil
}

// readStretch reads where a body begins in its file, and whether it is all of it.
func readStretch(r Request) (s stretch, ok bool) {
	offset, length, complete := strings.TrimSpace(r.UploadOffset), strings.TrimSpace(r.UploadLength), strings.TrimSpace(r.UploadComplete)
	value := strings.TrimSpace(r.ContentRange)
	if value != "" {
		if offset+length+complete != "" {
			return s, false
		}
		return readContentRange(value)
	}
	s.total = -1
	if offset != "" {
		if s.start, ok = natural(offset); !ok {
			return s, false
		}
		s.partial = true
	}
	if length != "" {
		if s.total, ok = natural(length); !ok {
			return s, false
		}
		s.partial = s.start+r.ContentLength != s.total
	}
	switch complete {
	case "":
	case "?0":
		s.partial = true
	case "?1":
		s.partial = false
	default:
		return s, false
	}
	return s, s.total < 0 || s.start <= s.total
}

func readContentRange(value string) (s stretch, ok bool) {
	span, unit := strings.CutPrefix(value, "bytes ")
	span, total, slash := strings.Cut(span, "/")
	from, to, dash := strings.Cut(span, "-")
	start, ok1 := natural(from)
	end, ok2 := natural(to)
	s = stretch{start: start, total: -1, partial: true}
	if !unit || !slash || !dash || !ok1 || !ok2 || end < start {
		return s, false
	}
	if total == "*" {
		return s, true
	}
	s.total, ok = natural(total)
	s.partial = start > 0 || end+1 != s.total
	return s, ok && end < s.total
}

// natural reads digits and nothing else: no sign, no underscore.
func natural(s string) (int64, bool) {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}

// laterStretch is a stretch that the policy accepts unseen.
type laterStretch struct {
	policy *Policy
	at     int64
}

func (l *laterStretch) write(b []byte) *Refusal {
	if l.at += int64(len(b)); l.at > l.policy.maxFile {
		return &Refusal{Rule: RuleFileSize, Problem: tooLarge,
			Reason: "a file larger than " + strconv.FormatInt(l.policy.maxFile, 10) + " bytes, with what came before"}
	}
	return nil
}

func (l *laterStretch) end() *Refusal   { return nil }
func (l *laterStretch) undecided() bool { return false }

// metadata is what tus says of a file when it is created.
type metadata struct{ name, media string }

// readMetadata reads Upload-Metadata: keys, each with its value in base64, between
// commas.
func readMetadata(value string) (m metadata, r *Refusal) {
	if strings.TrimSpace(value) == "" {
		return m, nil
	}
	seen := map[string]bool{}
	for pair := range strings.SplitSeq(value, ",") {
		key, coded, _ := strings.Cut(strings.Trim(pair, " "), " ")
		folded := strings.ToLower(key)
		decoded, err := base64.StdEncoding.Strict().DecodeString(coded)
		if err != nil || key == "" || seen[folded] {
			return m, malformed("Upload-Metadata is not keys and base64, or has a key twice")
		}
		seen[folded] = true
		text := string(decoded)
		switch folded {
		case "filename", "name":
			if m.name != "" && m.name != text {
				return m, malformed("Upload-Metadata has two file names")
			}
			m.name = text
		case "filetype", "type", "contenttype", "content-type", "mimetype":
			media, _, reason := parseParams(text)
			if reason != "" && text != "" || m.media != "" && m.media != media {
				return m, malformed("Upload-Metadata has a type that is none, or two")
			}
			m.media = media
		}
	}
	return m, nil
}

// Announced judges what the creation of an upload without a body says: the name
// that the file is going to have, or is given.
func (p *Policy) Announced(r Request) *Refusal {
	if refusal := r.moved(); refusal != nil {
		return refusal
	}
	if r.UploadConcat != "" && !p.acceptUncertain {
		return refuse("GH-FRM-004", "an upload that is put together with others (Upload-Concat)")
	}
	m, refusal := readMetadata(r.UploadMetadata)
	if refusal == nil && m.name != "" {
		refusal = judgeName(m.name)
	}
	return refusal
}
