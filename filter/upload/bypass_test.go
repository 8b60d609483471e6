package upload

import (
	"strings"
	"testing"
)

// bypass is a request by which research on filters of uploads (and the issue trackers
// of their readers) brought a file past one: something in it makes two readers differ.
type bypass struct{ name, contentType, body string }

const (
	hostileCode = "<?php system($_GET[0]);?>"
	hostileName = `Content-Disposition: form-data; name="f"`
	hostileForm = "multipart/form-data; boundary=XyZ"
)

// bypasses are requests that must be refused: a server somewhere has a.php in them.
func bypasses() []bypass {
	var out []bypass
	part := func(disposition string) string {
		return disposition + "\r\nContent-Type: image/gif\r\n\r\n" + hostileCode
	}
	php := part(hostileName + `; filename="a.php"`)
	for _, contentType := range []string{
		// The whole type is searched for the words, by formidable for one.
		`text/plain; a="multipart/form-data; boundary=XyZ"`, `application/x-www-form-urlencoded; a="multipart/form-data; boundary=XyZ"`,
		`application/json; a="multipart/form-data; boundary=XyZ"`, `application/grpc; a="multipart/form-data; boundary=XyZ"`,
		`application/octet-stream; a="multipart/form-data; boundary=XyZ"`, `application/xmultipart+json; x="boundary=XyZ"`, `text/plain; multipart="boundary=XyZ"`,
		`text/csv; header="boundary=XyZ multipart"`, "application/json; multipart=1; BOUNDARY=XyZ",
		// One type of two.
		"application/x-www-form-urlencoded, multipart/form-data; boundary=XyZ", "multipart/form-data, text/plain; boundary=XyZ", "multipart/form-data; boundary=XyZ, text/plain",
		"multipart/mixed; boundary=XyZ", "multipart/related; boundary=XyZ", "multipart/x; boundary=XyZ", "multipart/form-datax; boundary=XyZ", "xmultipart/form-data; boundary=XyZ",
		"multipart/form-data/; boundary=XyZ", "multipart/form-data boundary=XyZ",
		// One boundary of two, or none to some.
		"multipart/form-data; boundary=XyZ; boundary=abc", "multipart/form-data; boundary=abc; boundary=XyZ", "multipart/form-data; boundary*0=Xy; boundary*1=Z",
		"multipart/form-data; boundary*=utf-8''XyZ", `multipart/form-data; charset="utf-8; boundary=abc"; boundary=XyZ`, `multipart/form-data; x="boundary=abc"; boundary=XyZ`,
		"multipart/form-data; xboundary=abc; boundary=XyZ", `multipart/form-data; boundary="Xy\Z"`, "multipart/form-data; boundary='XyZ'", "multipart/form-data; boundary=XyZ(comment)",
		`multipart/form-data; bOuNdArY="XyZ`, "multipart/form-data; boundary = XyZ", "multipart/form-data; boundary= XyZ", "multipart/form-data; boundary=", "multipart/form-data; boundary",
		"multipart/form-data; charset=utf-7; boundary=XyZ", "multipart/form-data; charset=ibm037; boundary=XyZ", "multipart/form-data;\x0bboundary=XyZ", "multipart/form-data; x=y;;boundary=XyZ",
	} {
		out = append(out, bypass{"the type " + contentType, contentType, formBody(php)})
	}
	for _, d := range []string{
		`form-data; name="f"; filename="a.php"`, `form-data; name="f"; filename=a.php`, `form-data; name="f"; filename='a.php'`, `form-data; name="f"; filename="a.gif"; filename="a.php"`,
		`form-data; name="f"; filename="a.gif"; FILENAME="a.php"`, `form-data; name="f"; filename*=UTF-8''a.php`, `form-data; name="f"; filename="a.gif"; filename*=UTF-8''a.php`,
		`form-data; name="f"; filename*=UTF-8''a.php; filename="a.gif"`, `form-data; name="f"; filename*0="a."; filename*1="php"`, `form-data; name="f"; filename="a.gif\"; x=\".php"`,
		`form-data; name="f"; filename="a.gif\\"; filename="a.php"`, `form-data; name="f" ; filename="a.php"`, "form-data; name=\"f\"\t;filename=\"a.php\"", `form-data; name="f", filename="a.php"`,
		`form-data; name="f" filename="a.php"`, `form-data; filename="a.php"; name="f"`, `form-data; name=f; x="; filename=a.php"`, `form-data; name="f"; fname="a.php"`,
		`form-data; name="f"; "filename"="a.php"`, `form-data; name="f"; filename="=?utf-8?B?YS5waHA=?="`, `form-data; name="=?utf-8?Q?f?="; filename="a.php"`, `form-data; name="f"; filename=`,
		`form-data; name="f"; filename`, `form-data; name="f"; filename="`, `form-data; name="f"; filename=""`, `form-data; name="f"; filename="a.php`, `form-data; name="f"; filename= "a.php"`,
		`form-data; name="f"; filename ="a.php"`, `attachment; name="f"; filename="a.php"`, `file; name="f"; filename="a.php"`, `name="f"; filename="a.php"`, `form-data;name="f";filename="a.php"`,
		`FORM-DATA; name="f"; filename="a.php"`, `form-data; name="f"; filename="a.gif;.php"`, `form-data; name="f"; filename="../a.php"`, `form-data; name="f"; filename="a.gif%00.php"`,
		"form-data; name=\"f\"; filename=\"a.gif\x00.php\"", `form-data; name="f"; filename="C:\a.php"`, "form-data; name=\"f\"; filename=\"a.ph\u017f\"", `form-data; name="f"; filename="a.php "`,
		`form-data; name="f"; filename="a.php."`, `form-data; name="f"; filename="a.php::$DATA"`, `form-data; name="f"; ; filename="a.php"`, `form-data; name="f";; filename="a.php"`,
		`form-data name="f"; filename="a.php"`, `form-data; name=; filename="a.php"`, `form-data; filename="a.php"`, `form-data; name="f"; filename="a.gif"x".php"`, `form-data; name="f"; filename="a.gif" ".php"`,
		// multiparty and formidable look for the words in the whole value.
		`form-data; name="filename=a.php; x"`, `form-data; name="x; filename=a.php; y"`, `form-data; name="filename*=utf-8''a.php"`, `form-data; name="filename="; filename="a.txt"`,
		`form-data; filename="name=avatar x.gif"; name="other"`, `form-data; name="FileName=a.php; x"`,
		`form-data; name="f"; a=b; filename="a.php"`, "form-data; name=\"f\"; filename=\"a\r\n.php\"", "form-data; name=\"f\";\r\n filename=\"a.php\"", `form-data; name="f"; filename="a.php"; size=5`,
		`form-data; name*=utf-8''f; filename="a.php"`, `form-data; name=f;filename=a.php;`, `form-data; name="f"; filename="a.php" `, `form-data; name="f"; filename="a.php"; filename*=utf-8''a%2`,
	} {
		out = append(out, bypass{"the disposition " + d, hostileForm, formBody(part("Content-Disposition: " + d))})
	}
	for _, d := range []string{`form-data; name="filename=a.php; x"`, `form-data; name="filename*=utf-8''a.php"`} {
		out = append(out, bypass{"the field " + d, hostileForm, formBody("Content-Disposition: " + d + "\r\n\r\n" + hostileCode)})
	}
	return append(append(out, bypassesByHead()...), bypassesByShape(php)...)
}

// bypassesByHead have a part's other headers for a name or a type.
func bypassesByHead() []bypass {
	var out []bypass
	for _, head := range []string{
		hostileName + "\r\nContent-Type: text/plain", hostileName + "\r\nContent-Type: application/json", hostileName + "\r\nContent-Type: TEXT/PLAIN; charset=utf-8",
		hostileName + "\r\nContent-Transfer-Encoding: 8bit\r\nContent-Type: text/plain", hostileName + "\r\nContent-Type: text/plain; name=a.php", hostileName + "\r\nContent-Type: text/plain; name=\"a.php\"",
		hostileName + "\r\nContent-Type: text/plain; filename=a.php", hostileName + "\r\nContent-Type: image/gif; name=\"a.php\"", hostileName + `; filename="a.gif"` + "\r\nContent-Type: image/gif; name=\"a.php\"",
		hostileName + "\r\nContent-Type: application/octet-stream", hostileName + "\r\nContent-Type: ", hostileName + "\r\nContent-Type: text/html", hostileName + "\r\nContent-Type: text/plain; charset=utf-7",
		hostileName + "\r\nContent-Transfer-Encoding: base64", hostileName + "\r\nContent-Transfer-Encoding: quoted-printable", hostileName + "\r\nContent-Encoding: gzip",
		hostileName + "\r\n" + hostileName + `; filename="a.php"`, " " + hostileName + `; filename="a.php"`, "X: y\r\n\tz\r\n" + hostileName + `; filename="a.php"`, hostileName + "\r\n\r\n" + hostileName + `; filename="a.php"` + "\r\n--XyZ",
		`Content-Disposition : form-data; name="f"; filename="a.php"`, "Content-Disposition\x00: form-data; name=\"f\"; filename=\"a.php\"", `Content-Disposition:: form-data; name="f"; filename="a.php"`,
		"\ufeff" + hostileName + `; filename="a.php"`, "X: " + strings.Repeat("y", 9000) + "\r\n" + hostileName + `; filename="a.php"`, hostileName + "\nX: y; filename=\"a.php\"", hostileName + "\r" + hostileName + `; filename="a.php"`,
		hostileName + `; filename="a.gif"` + "\r\nContent-Type: image/gif\r\nContent-Type: text/x-php", hostileName + "\r\nContent-Type: multipart/mixed; boundary=in",
		hostileName + "\u0085" + hostileName + `; filename="a.php"`, hostileName + "\u2028" + hostileName + `; filename="a.php"`, "Content-Type: image/gif", hostileName + "\r\nX" + strings.Repeat("\r\nX", 20) + ": y",
	} {
		out = append(out, bypass{"the head " + head[:min(len(head), 120)], hostileForm, formBody(head + "\r\n\r\n" + hostileCode)})
	}
	return out
}

// bypassesByShape put the file where a reader of other rules begins a part.
func bypassesByShape(php string) []bypass {
	const field = "Content-Disposition: form-data; name=\"v\"\r\n\r\n1"
	form, lf := formBody(php), strings.ReplaceAll(formBody(php), "\r\n", "\n")
	var out []bypass
	for name, body := range map[string]string{
		"bare line feeds": lf, "bare carriage returns": strings.ReplaceAll(form, "\r\n", "\r"), "a line feed after the boundary": strings.Replace(form, "XyZ\r\n", "XyZ\n", 1),
		"a preamble": "x\r\n" + form, "a preamble before a line feed": "x\n" + form, "an empty line first": "\r\n" + form, "an epilogue that is a form": formBody(field) + form,
		"an epilogue after a line feed": strings.TrimSuffix(formBody(field), "\r\n") + "\n" + form, "no end": strings.TrimSuffix(form, "--XyZ--\r\n"), "a form cut off": form[:len(form)-30],
		"spaces behind the end": strings.TrimSuffix(form, "\r\n") + "  \r\n", "a space behind the boundary": strings.ReplaceAll(form, "--XyZ\r\n", "--XyZ \r\n"),
		"a tab behind the boundary":                    strings.ReplaceAll(form, "--XyZ\r\n", "--XyZ\t\r\n"),
		"a longer boundary":                            formBody(field + "\r\n--XyZ0\r\n" + php),
		"the boundary after a line feed":               formBody(field + "\n--XyZ\r\n" + php),
		"the boundary between line feeds":              formBody(field + "\n--XyZ\n" + strings.ReplaceAll(php, "\r\n", "\n")),
		"the boundary after a carriage return":         formBody(field + "\r--XyZ\r\n" + php),
		"the boundary behind a value":                  formBody(field + "--XyZ\r\n" + php),
		"the boundary behind a NUL":                    formBody(field + "\r\n\x00--XyZ\r\n" + php),
		"the boundary in a head":                       formBody(hostileName + "\r\n--XyZ\r\n" + php),
		"an empty part":                                formBody("", php),
		"no head":                                      formBody("\r\n" + hostileCode),
		"one hyphen":                                   strings.Replace(form, "--XyZ\r\n", "-XyZ\r\n", 1),
		"three hyphens":                                strings.ReplaceAll(form, "--XyZ", "---XyZ"),
		"the end first":                                "--XyZ--\r\n" + form,
		"a form in a form":                             formBody("Content-Disposition: form-data; name=\"f\"\r\nContent-Type: multipart/mixed; boundary=in\r\n\r\n--in\r\nContent-Disposition: file; filename=\"a.php\"\r\n\r\n" + hostileCode + "\r\n--in--"),
		"a charset for the whole form":                 formBody("Content-Disposition: form-data; name=\"_charset_\"\r\n\r\nutf-7", php),
		"a thousand parts before":                      formBody(append(strings.Split(strings.Repeat(field+"\x01", 1000), "\x01")[:1000], php)...),
		"a text before":                                formBody(filePart("a.txt", "text/plain", "hello"), php),
		"a field of the same name before":              formBody(field, strings.ReplaceAll(php, `"f"`, `"v"`)),
		"the magic of GZIP before":                     "\x1f\x8b" + form,
		"two letters a character":                      string(append([]byte{}, spread(form)...)),
		"the largest size a form states, and the file": formBody("Content-Disposition: form-data; name=\"MAX_FILE_SIZE\"\r\n\r\n1", php),
		"a delimiter that only ends":                   "--XyZ--",
	} {
		if body == "--XyZ--" {
			body += form
		}
		out = append(out, bypass{"the shape: " + name, hostileForm, body})
	}
	return out
}

// spread is UTF-16.
func spread(s string) []byte {
	out := make([]byte, 0, 2*len(s))
	for i := range len(s) {
		out = append(out, s[i], 0)
	}
	return out
}

func TestWhatBroughtFilesPastOtherFiltersIsRefused(t *testing.T) {
	t.Parallel()
	p := policyOf(t, Config{Allow: []string{"gif", "pdf", "txt"}})
	all := bypasses()
	if len(all) < 150 {
		t.Errorf("only %d requests", len(all))
	}
	for _, b := range all {
		for _, n := range []int{1 << 20, 7} {
			r := Request{Method: "POST", Path: "/upload", ContentType: b.contentType, ContentLength: -1}
			if rule, _ := inspect(t, p, r, b.body, n); rule == "" {
				t.Errorf("%s: accepted in pieces of %d: %.300q", b.name, n, b.body)
			}
		}
	}
}

// Java's and .NET's clients declare the texts of their fields.
func TestFieldsWithATypeAreWhatTheySay(t *testing.T) {
	t.Parallel()
	p := policyOf(t, Config{Allow: []string{"pdf"}})
	field := func(contentType, value string) string {
		return formBody("Content-Disposition: form-data; name=\"a\"\r\nContent-Type: " + contentType + "\r\n\r\n" + value)
	}
	long := strings.Repeat("All is well. ", 1000)
	for _, tt := range []struct{ name, contentType, value, rule string }{
		{"a text", "text/plain; charset=utf-8", "Grüße", ""},
		{"nothing", "text/plain", "", ""},
		{"a number", "text/plain", "5", ""},
		{"a long text", "text/plain; charset=ISO-8859-1", long, ""},
		{"an old charset", "text/plain; charset=ISO-8859-1", "Gr\xfc\xdfe", ""},
		{"JSON", "application/json", `{"title": "x", "tags": ["a"]}`, ""},
		{"a JSON text", "application/json", `"x"`, ""},
		{"markup, as editors write it", "text/plain", "<p>Hello <b>world</b></p>", ""},
		{"a drawing's markup", "text/plain", `<svg xmlns="http://www.w3.org/2000/svg"/>`, ""},
		{"prose about PHP", "text/plain", "the tag <?php begins code", ""},
		{"lines of a table", "text/plain", "a,b\n1,2\n", ""},
		{"XML", "text/plain", `<?xml version="1.0"?><a/>`, ""},
		{"code of PHP", "text/plain", hostileCode, RuleTextCode},
		{"code of PHP behind a long text", "text/plain", long + hostileCode, RuleTextCode},
		{"code of PHP in JSON", "application/json", `["` + long + hostileCode + `"]`, RuleTextCode},
		{"a program", "text/plain", sampleEXE(), RuleMismatch},
		{"a program as JSON", "application/json", sampleEXE(), RuleMismatch},
		{"a PDF", "text/plain", samplePDF(""), RuleMismatch},
		{"a script", "text/plain", "#!/bin/sh\nid\n", RuleMismatch},
		{"an archive", "text/plain", "PK\x03\x04\x14\x00\x00\x00\x08\x00", RuleMismatch},
		{"bytes", "text/plain", "\x00\x01\x02\x03", RuleMismatch},
		{"the test virus", "text/plain", `X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR` + `-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*`, RuleTestVirus},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, n := range []int{1 << 20, 1000, 1} {
				if rule, _ := inspect(t, p, multipartRequest(), field(tt.contentType, tt.value), n); rule != tt.rule {
					t.Errorf("in pieces of %d: %q, want %q", n, rule, tt.rule)
				}
			}
		})
	}
}

// RFC 9110 section 9.3.4: PUT stores what it is given under the address.
func TestAPutIsJudgedByTheNameThatItStores(t *testing.T) {
	t.Parallel()
	p := policyOf(t, Config{Allow: []string{"txt", "pdf", "gif"}})
	const form, text = "application/x-www-form-urlencoded", "text/plain"
	jsp := `<% out.println(1); %>`
	for _, tt := range []struct{ name, method, path, contentType, disposition, body, rule string }{
		{"a text", "PUT", "/files/a.txt", text, "", "hello", ""},
		{"a name without extension", "PUT", "/files/4711", text, "", "hello", ""},
		{"a version", "PUT", "/files/v1.2", text, "", "hello", ""},
		{"a name with a space", "PUT", "/files/my%20report.pdf", "application/pdf", "", samplePDF(""), ""},
		{"JSON of a resource", "PUT", "/users/john.doe", "application/json", "", `{"a":1}`, ""},
		{"JSON of a domain", "PUT", "/domains/example.com", "application/json", "", `{"a":1}`, ""},
		{"JSON under its name", "PUT", "/files/a.json", "application/json", "", `{"a":1}`, ""},
		{"a picture handed to a program", "POST", "/upload.php", "image/gif", "", sampleGIF(t), ""},
		{"a form handed to a program", "POST", "/upload.php", form, "", "a=1", ""},
		{"JSON handed to a program", "POST", "/api.aspx", "application/json", "", `{"a":1}`, ""},
		{"a program", "PUT", "/a.php", text, "", "hello", RuleName},
		{"JSP, which Tomcat runs", "PUT", "/a.jsp", text, "", jsp, RuleName},
		{"JSP with a slash behind (CVE-2017-12615)", "PUT", "/a.jsp/", text, "", jsp, RuleName},
		{"JSP with a parameter", "PUT", "/a.jsp;x=.txt", text, "", jsp, RuleName},
		{"JSP with a space that Windows drops", "PUT", "/a.jsp%20", text, "", jsp, RuleName},
		{"ASP with a stream of NTFS", "PUT", "/a.asp::$DATA", text, "", jsp, RuleName},
		{"a dot in percent", "PUT", "/a%2Ephp", text, "", "hello", RuleName},
		{"letters in percent", "PUT", "/a.p%68p", text, "", "hello", RuleName},
		{"upper case", "PUT", "/A.PHP", text, "", "hello", RuleName},
		{"a program's extension before another", "PUT", "/a.php.txt", text, "", "hello", RuleName},
		{"settings of Apache", "PUT", "/.htaccess", text, "", "AddType application/x-httpd-php .txt", RuleName},
		{"settings of IIS", "PUT", "/web.config", text, "", "<configuration/>", RuleName},
		{"another name in the disposition", "PUT", "/a.php", text, `attachment; filename="a.txt"`, "hello", RuleName},
		{"a path in percent", "PUT", "/files/..%2Fa.txt", text, "", "hello", RuleName},
		{"a page as JSON", "PUT", "/a.html", "application/json", "", `"<script>alert(1)</script>"`, RuleName},
		{"a page as a form", "PUT", "/a.html", form, "", "<script>alert(1)</script>", RuleName},
		{"a program as gRPC", "PUT", "/a.php", "application/grpc", "", "\x00\x00\x00\x00\x19" + hostileCode, RuleName},
		{"a drawing as JSON", "PUT", "/a.svg", "application/json", "", `"<svg/>"`, RuleName},
		{"a name in another form than the usual", "POST", "/u", text, `attachment; filename*=UTF-8''a.php`, "hello", RuleMalformed},
		{"two names that agree", "POST", "/u", text, `attachment; filename="a.txt"; filename*=UTF-8''a.txt`, "hello", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := Request{Method: tt.method, Path: tt.path, ContentType: tt.contentType, ContentDisposition: tt.disposition, ContentLength: -1}
			if rule, _ := inspect(t, p, r, tt.body, 100); rule != tt.rule {
				t.Errorf("%q, want %q", rule, tt.rule)
			}
		})
	}
}

// RFC 4918 sections 9.8 and 9.9: a text is put under a name that runs.
func TestAFileIsNotMovedToANameThatItWasNotJudgedBy(t *testing.T) {
	t.Parallel()
	p := policyOf(t, Config{Allow: []string{"txt", "jpeg"}})
	for _, tt := range []struct{ name, method, path, destination, rule string }{
		{"a text to a text", "MOVE", "/a.txt", "https://app.example/b.txt", ""},
		{"a picture to another spelling", "MOVE", "/a.jpg", "/a.jpeg", ""},
		{"a folder", "MOVE", "/a/", "/b/", ""},
		{"a version", "COPY", "/v1.2", "/v1.3", ""},
		{"another method that has the field", "GET", "/a.txt", "/a.asp", ""},
		{"a text to a program", "MOVE", "/a.txt", "https://app.example/a.asp", RuleName},
		{"a copy to a program", "COPY", "/a.txt", "/a.jsp", RuleName},
		{"a program behind a semicolon, as IIS 6 had it", "MOVE", "/a.txt", "/a.asp;.txt", RuleName},
		{"a program in percent", "MOVE", "/a.txt", "/a.%61sp", RuleName},
		{"a text to a page", "MOVE", "/a.txt", "/a.html", RuleName},
		{"what has no extension to a page", "MOVE", "/a", "/a.html", RuleName},
		{"settings of Apache", "MOVE", "/a.txt", "/.htaccess", RuleName},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := Request{Method: tt.method, Path: tt.path, Destination: tt.destination, ContentLength: -1}
			rule := ""
			if refusal := p.Announced(r); refusal != nil {
				rule = refusal.Rule
			}
			withBody, _ := inspect(t, p, r, "", 1)
			if rule != tt.rule || withBody != tt.rule {
				t.Errorf("%q, with a body %q, want %q", rule, withBody, tt.rule)
			}
		})
	}
}
