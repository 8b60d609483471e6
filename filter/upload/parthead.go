package upload

import (
	"slices"
	"strings"
)

// parse reads a part's header lines into p, and their parameters into the room, as
// far as it goes.
func (p *part) parse(head string, room []param) *Refusal {
	*p = part{names: p.names[:0], params: room}
	var lines [4]string // of those that browsers send, and one more
	seen, at := lines[:0], 0
	for rest, more := head, true; more; {
		var line string
		line, rest, more = cutLine(rest)
		if hasControl(line) {
			return malformed("a part's header has a control character, which some readers take for the end of a line")
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok || !isToken(name) {
			return malformed("a part's header is folded or has no name")
		}
		name = lowerHeader(name)
		if slices.Contains(seen, name) {
			return malformed("a part's header " + name + " stands twice")
		}
		if seen = append(seen, name); len(seen) > maxPartLines {
			return malformed("a part has more than 16 headers")
		}
		if name == "content-disposition" && strings.TrimRight(value, " \t") != value {
			return malformed("white space follows Content-Disposition, behind which some readers see no file name")
		}
		trimmed := strings.TrimLeft(value, " \t")
		if r := p.take(name, strings.TrimRight(trimmed, " \t"), at+len(line)-len(trimmed)); r != nil {
			return r
		}
		at += len(line) + len("\r\n")
	}
	if p.mailName != "" && p.mailName != p.filename {
		return malformed("a part's Content-Type has a name of its own, which readers of mail take for the file's")
	}
	if !slices.Contains(seen, "content-disposition") {
		return malformed("a part has no Content-Disposition")
	}
	// RFC 7578 section 4.4: a part without a file name is text by default.
	if !p.hasFile && p.declared != "" && p.declared != "text/plain" && p.declared != "application/json" {
		p.hasFile = true
	}
	return nil
}

// lowerHeader is strings.ToLower, without a copy of the names that most parts have.
func lowerHeader(name string) string {
	for _, known := range [...]string{"content-disposition", "content-type"} {
		if isLower(name, known) {
			return known
		}
	}
	return lowerToken(name)
}

// isLower tells whether the token's letters are those of a name in lower case.
func isLower(token, lower string) bool {
	if len(token) != len(lower) {
		return false
	}
	for i := range len(lower) {
		c := token[i]
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// cutLine is strings.Cut at the end of a line.
func cutLine(text string) (line, rest string, more bool) {
	for i := 0; i+1 < len(text); i++ {
		if text[i] == '\r' && text[i+1] == '\n' {
			return text[:i], text[i+2:], true
		}
	}
	return text, "", false
}

// hasControl finds what readers of lines split at, or stop at: C0 but the tab,
// DEL, and the line ends that only Unicode has (Python's splitlines).
func hasControl(line string) bool {
	var seen byte
	for i := range len(line) {
		c := line[i]
		if c < ' ' && c != '\t' || c == 0x7f {
			return true
		}
		seen |= c
	}
	if seen < 0x80 {
		return false
	}
	return strings.Contains(line, "\u0085") || strings.Contains(line, "\u2028") || strings.Contains(line, "\u2029")
}

// take reads one header, whose value stands at that place in the head.
func (p *part) take(name, value string, at int) *Refusal {
	switch name {
	case "content-disposition":
		p.value = at
		if reason := p.disposition(value); reason != "" {
			return malformed(reason)
		}
	case "content-type":
		return p.contentType(value)
	case "content-transfer-encoding":
		switch strings.ToLower(value) {
		case "7bit", "8bit", "binary":
		default:
			return malformed("a part is transfer-encoded, which RFC 7578 section 4.7 gave up and servers read in two ways")
		}
	case "content-encoding":
		return malformed("a part has a Content-Encoding of its own, which hardly any server reads")
	}
	return nil
}

func (p *part) contentType(value string) *Refusal {
	media, params, reason := parseParamsInto(p.params, value)
	switch {
	case reason != "":
		return malformed("a part's Content-Type: " + reason)
	case strings.HasPrefix(media, "multipart/"):
		return malformed("a part is a multipart itself")
	}
	p.declared = media
	for _, q := range params {
		if q.name == "name" || q.name == "filename" {
			p.mailName = q.value
		}
		if q.name == "charset" && !keepsASCII(q.value) && !textCharset(q.value) {
			return refuse("GH-FRM-005", "a part's charset "+quote(q.value[:min(len(q.value), 40)]))
		}
	}
	return nil
}

// textCharset are those that text files may have besides: in them ASCII may be a
// part of another letter, but nothing else becomes ASCII that a type or rule is
// known by.
func textCharset(charset string) bool {
	switch strings.ToLower(charset) {
	case "utf-16", "utf-16le", "utf-16be", "shift_jis", "shift-jis", "windows-31j", "gbk", "gb2312", "gb18030", "big5":
		return true
	}
	return false
}

func (p *part) disposition(value string) (reason string) {
	kind, params, reason := parseParamsInto(p.params, value)
	if reason != "" {
		return "Content-Disposition: " + reason
	}
	if kind != "form-data" {
		return "Content-Disposition is not form-data"
	}
	if reason := separation(value, params); reason != "" {
		return reason
	}
	named, extended, isExtended := false, "", false
	for _, q := range params {
		switch q.name {
		default:
			return "Content-Disposition has a parameter " + q.name + ", which some readers take for a file name"
		case "name":
			p.field, named = q.value, true
		case "filename":
			p.filename, p.hasFile = q.value, true
			p.names = append(p.names, nameSpan{at: p.value + q.at, end: p.value + q.end, token: !q.quoted})
		case "filename*":
			decoded, ok := decodeExtended(q.value)
			if !ok || q.quoted {
				return "filename* is not UTF-8 in the form of RFC 8187"
			}
			extended, isExtended = decoded, true
			p.names = append(p.names, nameSpan{at: p.value + q.at, end: p.value + q.end, extended: true})
		}
	}
	switch {
	case !named:
		return "a part has no name"
	case looksLikeParameter(p.field) || looksLikeParameter(p.filename):
		return "a name has name= in it, which readers that work with patterns (formidable, multiparty) take for the parameter"
	case strings.Contains(p.field, "=?"):
		return "the name of a field is an encoded word (RFC 2047), which some servers decode"
	case isExtended && !p.hasFile:
		return "filename* stands alone (RFC 7578 section 4.2 forbids it), so that some readers see no file"
	case isExtended && extended != p.filename:
		return "filename and filename* disagree"
	}
	return ""
}

func looksLikeParameter(name string) bool {
	if strings.IndexByte(name, '=') < 0 {
		return false
	}
	lower := strings.ToLower(name)
	return strings.Contains(lower, "name=") || strings.Contains(lower, "name*=")
}

// separation wants parameters to be separated as all clients do, by a semicolon and
// spaces: readers that work with patterns overlook a parameter behind anything else,
// or the whole part if a semicolon ends it.
func separation(value string, params []param) (reason string) {
	end := strings.IndexByte(value, ';')
	for _, q := range params {
		start := q.at - len(q.name) - 1
		after := q.end
		if q.quoted {
			start, after = start-1, after+1
		}
		if gap := value[end:start]; len(gap) < 2 || gap[0] != ';' || strings.Trim(gap[1:], " ") != "" || value[end-1] == ' ' || value[end-1] == '\t' {
			return "Content-Disposition separates its parameters otherwise than by a semicolon and a space"
		}
		end = after
	}
	if end >= 0 && end < len(value) {
		return "Content-Disposition ends in a semicolon"
	}
	return ""
}
