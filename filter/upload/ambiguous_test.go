package upload

import (
	"strings"
	"testing"
)

// The ways around inspectors that public research lists for multipart bodies. Each
// is refused: what is left, all of Go's mime/multipart, busboy, Python's multipart
// parsers and PHP read alike.
func TestWhatServersReadInTwoWaysIsRefused(t *testing.T) {
	t.Parallel()
	const disposition = `Content-Disposition: form-data; name="file"; filename="a.txt"` + "\r\n\r\nx"
	form := func(head string) string { return formBody(head) }
	tests := []struct {
		name, contentType, body string
	}{
		{"two boundaries", "multipart/form-data; boundary=XyZ; boundary=abc", form(disposition)},
		{"two boundaries in two cases", "multipart/form-data; boundary=XyZ; BOUNDARY=abc", form(disposition)},
		{"an extended boundary", "multipart/form-data; boundary*=UTF-8''XyZ", form(disposition)},
		{"a continued boundary", "multipart/form-data; boundary*0=Xy; boundary*1=Z", form(disposition)},
		{"a boundary with a comma", "multipart/form-data, boundary=XyZ", form(disposition)},
		{"a boundary with something behind its quotes", `multipart/form-data; boundary="XyZ"abc`, form(disposition)},
		{"a boundary of quotes alone", `multipart/form-data; boundary=""`, form(disposition)},
		{"a boundary with a space at its end", `multipart/form-data; boundary="XyZ "`, form(disposition)},
		{"a boundary with an escape", `multipart/form-data; boundary="Xy\Z"`, form(disposition)},
		{"no boundary", "multipart/form-data", form(disposition)},
		{"a type with a space", "multipart /form-data; boundary=XyZ", form(disposition)},
		{"another subtype", "multipart/mixed; boundary=XyZ", form(disposition)},
		{"a preamble", "", "hello\r\n" + form(disposition)},
		{"a preamble with a part's head", "", disposition + "\r\n" + form(disposition)},
		{"a line before the boundary", "", "\r\n" + form(disposition)},
		{"an epilogue", "", form(disposition) + "--XyZ\r\n" + disposition + "\r\n--XyZ--\r\n"},
		{"no last boundary", "", strings.TrimSuffix(form(disposition), "--XyZ--\r\n")},
		{"a last boundary with one hyphen", "", strings.TrimSuffix(form(disposition), "-\r\n")},
		{"a boundary with a prefix", "", "--XyZ\r\n" + disposition + "\r\n--XyZabc\r\n" + disposition + "\r\n--XyZ--\r\n"},
		{"a boundary with spaces behind it", "", "--XyZ  \r\n" + disposition + "\r\n--XyZ--\r\n"},
		{"a boundary with a tab behind it", "", "--XyZ\t\r\n" + disposition + "\r\n--XyZ--\r\n"},
		{"bare line feeds", "", strings.ReplaceAll(form(disposition), "\r\n", "\n")},
		{"bare carriage returns", "", strings.ReplaceAll(form(disposition), "\r\n", "\r")},
		{"a boundary after a bare line feed", "", "--XyZ\r\n" + disposition + "\n--XyZ\r\n" + disposition + "\r\n--XyZ--\r\n"},
		{"a head that ends in bare line feeds", "", "--XyZ\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\n\nx\r\n--XyZ--\r\n"},
		{"a folded header", "", form("Content-Disposition: form-data;\r\n name=\"file\"; filename=\"a.txt\"\r\n\r\nx")},
		{"a header folded by a tab", "", form("Content-Disposition: form-data;\r\n\tname=\"file\"; filename=\"a.txt\"\r\n\r\nx")},
		{"two dispositions", "", form("Content-Disposition: form-data; name=\"a\"\r\n" + disposition)},
		{"two types", "", form("Content-Type: text/plain\r\nContent-Type: text/html\r\n" + disposition)},
		{"a space before the colon", "", form("Content-Disposition : form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\nx")},
		{"no name of the header", "", form(": form-data\r\n" + disposition)},
		{"two file names", "", form("Content-Disposition: form-data; name=\"a\"; filename=\"a.txt\"; filename=\"a.php\"\r\n\r\nx")},
		{"two file names in two cases", "", form("Content-Disposition: form-data; name=\"a\"; filename=\"a.txt\"; Filename=\"a.php\"\r\n\r\nx")},
		{"two fields", "", form("Content-Disposition: form-data; name=\"a\"; name=\"b\"\r\n\r\nx")},
		{"a file name and another, extended", "", form("Content-Disposition: form-data; name=\"a\"; filename=\"a.txt\"; filename*=UTF-8''a.php\r\n\r\nx")},
		{"a file name in another charset", "", form("Content-Disposition: form-data; name=\"a\"; filename*=utf-16''a\r\n\r\nx")},
		{"a continued file name", "", form("Content-Disposition: form-data; name=\"a\"; filename*0=\"a.t\"; filename*1=\"xt\"\r\n\r\nx")},
		{"a file name without a closing quote", "", form("Content-Disposition: form-data; name=\"a\"; filename=\"a.txt\r\n\r\nx")},
		{"a file name in single quotes", "", form("Content-Disposition: form-data; name='a'; filename='a.txt;b'\r\n\r\nx")},
		{"an escaped quote", "", form("Content-Disposition: form-data; name=\"a\"; filename=\"a.txt\\\"; b.php\"\r\n\r\nx")},
		{"an escaped letter", "", form("Content-Disposition: form-data; name=\"a\"; filename=\"a.p\\hp\"\r\n\r\nx")},
		{"a file name with something behind it", "", form("Content-Disposition: form-data; name=\"a\"; filename=\"a.txt\".php\r\n\r\nx")},
		{"spaces around the sign", "", form("Content-Disposition: form-data; name=\"a\"; filename = \"a.txt\"\r\n\r\nx")},
		{"a NUL in the file name", "", form("Content-Disposition: form-data; name=\"a\"; filename=\"a.php\x00.txt\"\r\n\r\nx")},
		{"a NUL in the header's name", "", form("Content-Disposition\x00: form-data; name=\"a\"; filename=\"a.txt\"\r\n\r\nx")},
		{"another disposition", "", form("Content-Disposition: attachment; name=\"a\"; filename=\"a.txt\"\r\n\r\nx")},
		{"a disposition without a kind", "", form("Content-Disposition: name=\"a\"; filename=\"a.txt\"\r\n\r\nx")},
		{"commas for semicolons", "", form("Content-Disposition: form-data, name=\"a\", filename=\"a.txt\"\r\n\r\nx")},
		{"base64", "", form("Content-Transfer-Encoding: base64\r\n" + disposition)},
		{"quoted-printable", "", form("Content-Transfer-Encoding: quoted-printable\r\n" + disposition)},
		{"a multipart inside", "", form("Content-Type: multipart/mixed; boundary=b\r\n" + disposition)},
		{"the word boundary in the name of another parameter", "multipart/form-data; xboundary=abc; boundary=XyZ", form(disposition)},
		{"the word boundary in another value", `multipart/form-data; x="boundary=abc"; boundary=XyZ`, form(disposition)},
		{"a boundary with a space at its beginning", `multipart/form-data; boundary=" XyZ"`, form(disposition)},
		{"a boundary in single quotes", "multipart/form-data; boundary='XyZ'", strings.ReplaceAll(form(disposition), "XyZ", "'XyZ'")},
		{"a type with a comment", "multipart/form-data (x); boundary=XyZ", form(disposition)},
		{"a type in quotes", `"multipart/form-data"; boundary=XyZ`, form(disposition)},
		{"two types", "multipart/form-data; boundary=XyZ, text/plain", form(disposition)},
		{"a boundary in another type", "application/x-www-form-urlencoded; boundary=XyZ", form(disposition)},
		{"a boundary in the type of JSON", "application/json; boundary=XyZ", form(disposition)},
		{"UTF-7", "multipart/form-data; boundary=XyZ; charset=utf-7", form(disposition)},
		{"EBCDIC", "multipart/form-data; boundary=XyZ; charset=ibm037", form(disposition)},
		{"UTF-16", "multipart/form-data; boundary=XyZ; charset=utf-16le", form(disposition)},
		{"Shift JIS", "multipart/form-data; boundary=XyZ; charset=shift_jis", form(disposition)},
		{"EBCDIC in a form without files", "application/x-www-form-urlencoded; charset=cp500", "a=1"},
		{"a part in UTF-7", "", form("Content-Type: text/plain; charset=utf-7\r\n" + disposition)},
		{"a field that says the charset", "", formBody("Content-Disposition: form-data; name=\"_charset_\"\r\n\r\nutf-7", disposition)},
		{"a boundary in a part's head", "", form("--XyZ: 1\r\n" + disposition)},
		{"a last boundary in a part's head", "", form("X: --XyZ--\r\n" + disposition)},
		{"a form feed in a head", "", form("X: a\x0cContent-Disposition: form-data; name=\"b\"\r\n" + disposition)},
		{"a vertical tab in a head", "", form("X: a\x0bContent-Disposition: form-data; name=\"b\"\r\n" + disposition)},
		{"a next line of Unicode in a head", "", form("X: a\u0085Content-Disposition: form-data; name=\"b\"\r\n" + disposition)},
		{"a line separator of Unicode in a head", "", form("X: a\u2028Content-Disposition: form-data; name=\"b\"\r\n" + disposition)},
		{"a DEL in a head", "", form("X: a\x7f\r\n" + disposition)},
		{"a part with a coding of its own", "", form("Content-Encoding: gzip\r\n" + disposition)},
		{"a file name that is an encoded word", "", form("Content-Disposition: form-data; name=\"a\"; filename=\"=?utf-8?Q?a=2Ephp?=\"\r\n\r\nx")},
		{"a field that is an encoded word", "", form("Content-Disposition: form-data; name=\"=?utf-8?Q?file?=\"\r\n\r\nx")},
		{"an extended field", "", form("Content-Disposition: form-data; name=\"a\"; name*=UTF-8''b\r\n\r\nx")},
		{"an extended file name alone", "", form("Content-Disposition: form-data; name=\"a\"; filename*=UTF-8''a.txt\r\n\r\nx")},
		{"an extended file name in quotes", "", form("Content-Disposition: form-data; name=\"a\"; filename=\"a.txt\"; filename*=\"UTF-8''a.txt\"\r\n\r\nx")},
		{"an extended file name of another language and charset", "", form("Content-Disposition: form-data; name=\"a\"; filename=\"a.txt\"; filename*=iso-8859-1'en'a.txt\r\n\r\nx")},
		{"another parameter that ends in filename", "", form("Content-Disposition: form-data; name=\"a\"; xfilename=\"a.php\"\r\n\r\nx")},
		{"another parameter with a hyphen", "", form("Content-Disposition: form-data; name=\"a\"; -filename=\"a.php\"; filename=\"a.txt\"\r\n\r\nx")},
		{"no space behind a semicolon", "", form("Content-Disposition: form-data; name=\"a\";filename=\"a.txt\"\r\n\r\nx")},
		{"a tab behind a semicolon", "", form("Content-Disposition: form-data; name=\"a\";\tfilename=\"a.txt\"\r\n\r\nx")},
		{"a space before a semicolon", "", form("Content-Disposition: form-data; name=\"a\" ; filename=\"a.txt\"\r\n\r\nx")},
		{"two semicolons", "", form("Content-Disposition: form-data; name=\"a\";; filename=\"a.txt\"\r\n\r\nx")},
		{"a semicolon at the end", "", form("Content-Disposition: form-data; name=\"a\"; filename=\"a.txt\";\r\n\r\nx")},
		{"a space at the end", "", form("Content-Disposition: form-data; name=\"a\"; filename=\"a.txt\" \r\n\r\nx")},
		{"a field in single quotes", "", form("Content-Disposition: form-data; name='a'; filename=\"a.txt\"\r\n\r\nx")},
		{"a file name without a value", "", form("Content-Disposition: form-data; name=\"a\"; filename\r\n\r\nx")},
		{"a file name of nothing without quotes", "", form("Content-Disposition: form-data; name=\"a\"; filename=\r\n\r\nx")},
		{"a file name that is a stream of NTFS", "", form("Content-Disposition: form-data; name=\"a\"; filename=\"a.php::$DATA\"\r\n\r\nx")},
		{"a transfer encoding with a space", "", form("Content-Transfer-Encoding: base64 \r\n" + disposition)},
		{"a transfer encoding that nobody knows", "", form("Content-Transfer-Encoding: x-uuencode\r\n" + disposition)},
		{"a message inside", "", form("Content-Type: multipart/form-data; boundary=XyZ\r\n" + disposition)},
		{"no disposition", "", form("Content-Type: text/plain\r\n\r\nx")},
		{"no headers", "", form("\r\nx")},
	}
	p := policyOf(t, Config{})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := multipartRequest()
			if tt.contentType != "" {
				r.ContentType = tt.contentType
			}
			for _, n := range []int{1, 7, 1 << 20} {
				if rule, _ := inspect(t, p, r, tt.body, n); rule != RuleMalformed && rule != RuleMismatch && rule != RuleName {
					t.Errorf("in pieces of %d: %q", n, rule)
				}
			}
		})
	}
}
