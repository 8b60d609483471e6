package verdicts

import "strings"

const boundary = "----gatehouse"

// part is one part of a form; crlf ends its header lines.
func part(disposition, contentType, content string) string {
	head := "--" + boundary + "\r\nContent-Disposition: " + disposition + "\r\n"
	if contentType != "" {
		head += "Content-Type: " + contentType + "\r\n"
	}
	return head + "\r\n" + content + "\r\n"
}

func fileField(name, contentType, content string) string {
	return part(`form-data; name="file"; filename="`+name+`"`, contentType, content)
}

func form(parts ...string) string { return strings.Join(parts, "") + "--" + boundary + "--\r\n" }

// pdf is a small and complete PDF file with a body of that many bytes.
func pdf(size int) string {
	return "%PDF-1.4\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n2 0 obj\n<< /Type /Pages /Kids [] /Count 0 >>\nendobj\n%" +
		strings.Repeat("x", size) + "\ntrailer\n<< /Root 1 0 R >>\nstartxref\n0\n%%EOF\n"
}

// exe begins as Windows programs do.
func exe() string {
	head := make([]byte, 0x80)
	copy(head, "MZ\x90\x00\x03\x00\x00\x00\x04\x00\x00\x00\xff\xff")
	head[0x3c] = 0x80
	return string(head) + "PE\x00\x00L\x01" + strings.Repeat("\x00", 400)
}

// uploadCases: magic bytes, extension and declared type must agree, and the
// upstream never gets the whole of what was refused.
func uploadCases() []Case {
	multipart := [][2]string{{"Content-Type", "multipart/form-data; boundary=" + boundary}}
	post := func(name, body, rule string, status int) Case {
		c := Case{Name: name, Policy: "upload", Method: "POST", Header: multipart, Body: body, Rule: rule, Status: status}
		if status != 200 {
			c.Decision = "deny"
		}
		return c
	}
	raw := func(name, contentType, body, rule string, status int) Case {
		c := post(name, body, rule, status)
		c.Header = [][2]string{{"Content-Type", contentType}}
		return c
	}
	put := func(name, path, contentType, body, rule string, status int) Case {
		c := raw(name, contentType, body, rule, status)
		c.Method, c.Path = "PUT", path
		return c
	}
	const mentions = `multipart/form-data; boundary=XyZ`
	return []Case{
		post("a field that declares its text passes", form(part(`form-data; name="title"`, "text/plain; charset=utf-8", "hello")), "", 200),
		post("a program in a field that declares a text is refused: formidable makes a file of it", form(part(`form-data; name="title"`, "text/plain", exe())), "type_mismatch", 415),
		post("code in a field that declares a text is refused", form(part(`form-data; name="title"`, "text/plain", "<?php system($_GET[0]);?>")), "text_carries_code", 422),
		post("a name in a part's Content-Type is refused", form(part(`form-data; name="title"`, `text/plain; name="a.php"`, "hello")), "multipart_malformed", 422),
		raw("a boundary in another type's parameter is refused: formidable reads a form by it", `application/x-www-form-urlencoded; a="`+mentions+`"`,
			"--XyZ\"\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a.php\"\r\n\r\nx\r\n--XyZ\"--\r\n", "multipart_malformed", 422),
		post("a file name in a field's name is refused: multiparty makes a file of it", form(part(`form-data; name="filename=a.php; x"`, "", "<?php system($_GET[0]);?>")), "multipart_malformed", 422),
		put("a PUT of a text passes", "/notes/a.txt", "text/plain", "hello", "", 200),
		put("a PUT of a program's name is refused", "/notes/a.jsp/", "text/plain", "<% out.println(1); %>", "name_unsafe", 422),
		put("a PUT of a page as JSON is refused", "/notes/a.html", "application/json", `"<script>"`, "name_unsafe", 422),
		{Name: "a MOVE that makes a program of a text is refused", Policy: "upload", Method: "MOVE", Path: "/notes/a.txt", Header: [][2]string{{"Destination", "/notes/a.asp"}},
			Status: 422, Rule: "name_unsafe", Decision: "deny"},
		{Name: "a MOVE that keeps the type passes", Policy: "upload", Method: "MOVE", Path: "/notes/a.txt", Header: [][2]string{{"Destination", "/notes/b.txt"}}},
		post("an honest PDF passes", form(fileField("a.pdf", "application/pdf", pdf(100))), "", 200),
		post("an honest PDF of several chunks passes", form(fileField("a.pdf", "application/pdf", pdf(20000))), "", 200),
		post("a form field beside the file passes", form(part(`form-data; name="title"`, "", "hello"), fileField("a.pdf", "application/pdf", pdf(10))), "", 200),
		post("a form without files passes", form(part(`form-data; name="title"`, "", "hello")), "", 200),
		post("an undeclared type is judged by content and name", form(fileField("a.pdf", "application/octet-stream", pdf(10))), "", 200),
		post("a program named as a PDF is refused", form(fileField("a.pdf", "application/pdf", exe())), "type_mismatch", 415),
		post("a program behind an honest file is refused", form(fileField("a.pdf", "application/pdf", pdf(10)), fileField("b.pdf", "application/pdf", exe())), "type_mismatch", 415),
		post("a PDF named as an image is refused", form(fileField("a.png", "image/png", pdf(10))), "type_mismatch", 415),
		post("a PDF declared as an image is refused", form(fileField("a.pdf", "image/png", pdf(10))), "type_mismatch", 415),
		post("a type that is not allowed is refused", form(fileField("a.gif", "image/gif", "GIF89a\x01\x00\x01\x00\x00\x00\x00;")), "type_not_allowed", 415),
		post("a file larger than the policy is refused", form(fileField("a.pdf", "application/pdf", pdf(70000))), "file_too_large", 413),
		post("a request larger than the policy is refused", form(part(`form-data; name="t"`, "", strings.Repeat("x", 140000))), "request_too_large", 413),
		post("more files than the policy are refused", form(fileField("a.pdf", "application/pdf", pdf(1)), fileField("b.pdf", "application/pdf", pdf(1)),
			fileField("c.pdf", "application/pdf", pdf(1))), "too_many_files", 413),
		post("a file cut off before its end is refused", form(fileField("a.pdf", "application/pdf", pdf(10)[:80])), "file_truncated", 422),
		post("a form without its end is refused", strings.TrimSuffix(form(fileField("a.pdf", "application/pdf", pdf(10))), "--"+boundary+"--\r\n"), "multipart_malformed", 422),
		post("bare line feeds are refused", strings.ReplaceAll(form(fileField("a.pdf", "application/pdf", "x")), "\r\n", "\n"), "multipart_malformed", 422),
		post("two file names are refused", form(part(`form-data; name="file"; filename="a.pdf"; filename="a.exe"`, "application/pdf", pdf(10))), "multipart_malformed", 422),
		post("a name with a path is refused", form(fileField("../a.pdf", "application/pdf", pdf(10))), "name_unsafe", 422),
		post("JavaScript in a PDF is refused", form(fileField("a.pdf", "application/pdf",
			strings.Replace(pdf(10), "/Type /Catalog", "/Type /Catalog /OpenAction << /S /JavaScript /JS (app.alert\\(1\\)) >>", 1))), "unsafe_pdf", 422),
		raw("a raw PDF passes", "application/pdf", pdf(10), "", 200),
		raw("a raw program declared as a PDF is refused", "application/pdf", exe(), "type_mismatch", 415),
		raw("a boundary that is missing is refused", "multipart/form-data", "x", "multipart_malformed", 422),
		raw("another multipart is refused", "multipart/mixed; boundary=x", "x", "multipart_malformed", 422),
		raw("JSON passes", "application/json", `{"a":1}`, "", 200),
		raw("a urlencoded form passes", "application/x-www-form-urlencoded", "a=1&b=2", "", 200),
		{Name: "a request without a body passes", Policy: "upload", Method: "POST"},
		{Name: "a body in an unknown coding is refused", Policy: "upload", Method: "POST", Body: "\x1f\x8b\x08", Header: append([][2]string{{"Content-Encoding", "br"}}, multipart...),
			Status: 415, Rule: "encoding_unsupported", Decision: "deny"},
		{Name: "a coded body that is cut off is refused", Policy: "upload", Method: "POST", Body: "\x1f\x8b\x08", Header: append([][2]string{{"Content-Encoding", "gzip"}}, multipart...),
			Status: 422, Rule: "file_truncated", Decision: "deny"},
		{Name: "in report mode a lie passes and is recorded", Policy: "watch-upload", Method: "POST", Header: multipart,
			Body: form(fileField("a.pdf", "application/pdf", exe())), Rule: "type_mismatch", Decision: "report"},
		{Name: "without a policy nothing is judged", Policy: "plain", Method: "POST", Header: multipart, Body: form(fileField("a.pdf", "application/pdf", exe()))},
	}
}
