package upload

import (
	"bytes"
	"strings"

	"gatehouse/filter/upload/internal/blocks"
)

// likePage is what a text that begins with an element of HTML may be taken for
// besides, by its name: Markdown, where there are such elements, and XML and tables
// whose own names are the same.
func likePage(ext string, head []byte) string {
	switch {
	case ext == "xml" && !runsInBrowsers(head):
		return "xml"
	case ext == "csv" && !runsInBrowsers(head), (ext == "md" || ext == "markdown") && !isPage(head):
		return "txt"
	}
	return "html"
}

// isPage tells whole pages, and elements that run or load something, from those that
// only lay out a text. In Markdown's examples an icon or a style sheet is none.
func isPage(head []byte) bool {
	lower := lowered(head)
	for _, tag := range [...]string{"<html", "<head", "<body", "<script", "<iframe", "<form", "<object", "<embed", "<meta", "<base", "<style"} {
		if containsTag(lower, tag) {
			return true
		}
	}
	if containsFold(lower, "<!doctype html") {
		return true
	}
	for rest := lower; len(rest) > 0; {
		prose, after := untilFence(rest)
		example, following := untilFence(after)
		if containsTag(prose, "<link") || containsTag(prose, "<svg") || hasHandler(prose) || containsTag(example, "<svg") && hasHandler(example) {
			return true
		}
		rest = following
	}
	return false
}

// untilFence parts a text at the next line that begins or ends an example
// (CommonMark 0.31, section 4.5), behind that line.
func untilFence(b []byte) (before, after []byte) {
	for at := 0; at < len(b); {
		line := b[at:]
		if i := bytes.IndexByte(line, '\n'); i >= 0 {
			line = line[:i+1]
		}
		at += len(line)
		if bytes.HasPrefix(bytes.TrimLeft(line, " "), []byte("```")) {
			return b[:at], b[at:]
		}
	}
	return b, nil
}

// longestHandler is more than the longest name there is, with spaces behind it.
const longestHandler = 48

// hasHandler tells whether an element has an attribute that runs something.
func hasHandler(lower []byte) bool {
	for {
		i := blocks.IndexByte(lower, '<')
		if i < 0 {
			return false
		}
		lower = lower[i+1:]
		if len(lower) == 0 || !isASCIILetter(lower[0]) {
			continue
		}
		tag := untilClosed(lower)
		for n := 1; n+2 < len(tag); n++ {
			if tag[n] == 'o' && tag[n+1] == 'n' && strings.IndexByte(" \t\r\n/\"'", tag[n-1]) >= 0 {
				name, _, assigned := bytes.Cut(tag[n:min(len(tag), n+longestHandler)], []byte("="))
				if assigned && isHandler(blocks.String(bytes.TrimRight(name, " \t\r\n"))) {
					return true
				}
			}
		}
	}
}

// runsInBrowsers tells pages from XML whose elements have names of HTML.
func runsInBrowsers(head []byte) bool {
	lower := lowered(head)
	for _, tag := range [...]string{"<!doctype html", "<html", "<script", "<iframe", "<body", "<head", "<form", "<img"} {
		if containsFold(lower, tag) {
			return true
		}
	}
	return false
}
