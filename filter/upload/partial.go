package upload

import (
	"strconv"
	"strings"
)

// partial tells whether a body is only a stretch of a file. The first one is
// judged as far as it goes; a later one cannot be, and is refused unless the
// policy says on_uncertain: accept in so many words: what came before may have been
// harmless only as long as nothing followed.
func (p *Policy) partial(r Request) (first, later bool, refusal *Refusal) {
	start, whole, ok := stretch(r)
	switch {
	case !ok:
		return false, false, malformed("Content-Range or Upload-Offset is not one")
	case whole:
		return false, false, nil
	case start == 0 || p.acceptUncertain:
		return start == 0, start > 0, nil
	}
	return false, false, refuse("GH-FRM-004", "a stretch of a file that begins at byte "+strconv.FormatInt(start, 10))
}

// stretch reads where a body begins in its file, and whether it is all of it.
func stretch(r Request) (start int64, whole, ok bool) {
	if offset := strings.TrimSpace(r.UploadOffset); offset != "" {
		start, err := strconv.ParseInt(offset, 10, 64)
		return start, false, err == nil && start >= 0 && r.ContentRange == ""
	}
	value := strings.TrimSpace(r.ContentRange)
	if value == "" {
		return 0, true, true
	}
	span, unit := strings.CutPrefix(value, "bytes ")
	span, total, slash := strings.Cut(span, "/")
	from, to, dash := strings.Cut(span, "-")
	start, err := strconv.ParseInt(from, 10, 64)
	end, err2 := strconv.ParseInt(to, 10, 64)
	if !unit || !slash || !dash || err != nil || err2 != nil || start < 0 || end < start {
		return 0, false, false
	}
	length, err := strconv.ParseInt(total, 10, 64)
	return start, err == nil && start == 0 && end+1 == length, total == "*" || err == nil && end < length
}
