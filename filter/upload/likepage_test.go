package upload

import "testing"

func TestMarkdownThatBeginsWithAnElementIsAPageIfItActsLikeOne(t *testing.T) {
	t.Parallel()
	const begin = "<p align=\"center\">\n<a href=\"https://a.example/\"><img src=\"logo.png\"></a></p>\n\n# Icons\n"
	for content, page := range map[string]bool{
		begin: false,
		begin + "```html\n<link rel=\"stylesheet\" href=\"a.css\">\n<svg class=\"a\"></svg>\n```\n": false,
		begin + "  ```html\n<svg>\n":                                    false,
		begin + "```jsx\n<Icon onClick={open} />\n```\n":                false,
		begin + "<link rel=\"stylesheet\" href=\"a.css\">\n":            true,
		begin + "```\n```\n<svg></svg>\n":                               true,
		begin + "```html\n<svg onload=x()>\n```\n":                      true,
		begin + "```html\n<script>x()</script>\n```\n":                  true,
		begin + "```html\n<meta http-equiv=\"refresh\">\n```\n":         true,
		"<p><img src=x onerror=alert(1)></p>\n":                         true,
		"<p><img src=\"x\"onerror = \"alert(1)\"></p>\n":                true,
		"<p/onclick=x()>\n":                                             true,
		"<p>If x <y, then y is on the right, and one = 1 on = 2.</p>\n": false,
		"<p title=\"on demand = yes\">" + "a</p>\n":                     false,
	} {
		if r := sniff(t, Config{}, "README.md", content); r.Accepted == page {
			t.Errorf("%q: %+v", content, r)
		}
	}
}

func TestATextThatBrowsersWouldTakeForAPageIsNone(t *testing.T) {
	t.Parallel()
	for content, text := range map[string]bool{
		"<!-- a note -->\nAnd the text.\n": true, "<!-- a note, to the end": true, "The <b> element\n\x1a": true, "\x1a": false,
		"<!-- a note -->\n<!-- --> <script>x()</script>": false, "<b>x</b><script>x()</script>": false, "<font size=2>x</font>": false,
	} {
		if r := sniff(t, Config{}, "a.txt", content); r.Accepted != text {
			t.Errorf("%q: %+v", content, r)
		}
	}
	for name, content := range map[string]string{
		"a.xml": "<!-- a note --><b><c/></b>", "README.md": "<!-- a note -->\n<p align=\"center\">x</p>\n", "a.svg": "<!-- a note --><svg xmlns=\"http://www.w3.org/2000/svg\"/>",
	} {
		if r := sniff(t, Config{}, name, content); !r.Accepted {
			t.Errorf("%s: %+v", name, r)
		}
	}
}
