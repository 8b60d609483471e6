package upload

import "strings"

// svg refuses what makes a drawing run code or load something (SVG 2, section
// 2; the browsers' "secure static mode" allows none of it).
type svg struct{ f finder }

var svgNeedles = []string{"<script", ":script", "<foreignobject", "javascript:", "<!entity", "<!element", "<iframe", "<embed", "<object", "<?php", "<?xml-stylesheet", "@import", "href=\"&#", "href='&#", "<handler", "<use href=\"http", "xlink:href=\"http", "data:text/html"}

func newSVG() checker {
	return &svg{newFinder(append([]string{" on", "\ton", "\non", "\ron", "\"on", "'on", "/on"}, svgNeedles...)...)}
}

func (s *svg) write(b []byte) *Refusal {
	found := s.f.find(b, func(needle string, after []byte) bool {
		if !strings.HasSuffix(needle, "on") || len(needle) != 3 {
			return true
		}
		// An event handler: onload=, with white space allowed before the sign.
		for i, c := range after {
			if c >= 'a' && c <= 'z' {
				continue
			}
			rest := strings.TrimLeft(string(after[i:min(i+8, len(after))]), " \t\r\n")
			return i > 2 && strings.HasPrefix(rest, "=")
		}
		return false
	})
	if found != "" {
		return unsafe(RuleSVG, "an SVG with "+strings.TrimSpace(found))
	}
	return nil
}

func (s *svg) end(int64) *Refusal { return nil }
