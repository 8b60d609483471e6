package upload

import "strings"

// rawName is the name of a body that is one file: what Content-Disposition says,
// else the last segment of the path if it has an extension. Where the method
// stores the body under the path (PUT, RFC 9110 section 9.3.4), that must not be
// a name that a server runs, whatever Content-Disposition says.
func rawName(r *Request) (string, *Refusal) {
	stored, active := pathName(r)
	if active {
		return "", unsafe(RuleName, "PUT would store the body under a name that a server runs: "+quote(stored))
	}
	name, refusal := dispositionName(r.ContentDisposition)
	if name == "" {
		name = stored
	}
	return name, refusal
}

func dispositionName(disposition string) (name string, _ *Refusal) {
	if disposition == "" {
		return "", nil
	}
	_, params, reason := parseParams(disposition)
	if reason != "" {
		return "", malformed("Content-Disposition: " + reason)
	}
	extended, isExtended := "", false
	for _, p := range params {
		switch p.name {
		case "filename":
			name = p.value
		case "filename*":
			if extended, isExtended = decodeExtended(p.value); !isExtended || p.quoted {
				return "", malformed("filename* is not UTF-8 in the form of RFC 8187")
			}
		}
	}
	if isExtended && extended != name {
		return "", malformed("filename and filename* of Content-Disposition disagree")
	}
	return name, nil
}

// pathName is the last segment of the path as servers decode it, if it has the
// extension of a known type; active tells that a PUT would store what runs. POST
// hands the body to what stands there, /upload.php for one, and stores nothing
// under its name (section 9.3.3).
func pathName(r *Request) (name string, active bool) {
	path := r.Path
	if i := strings.IndexAny(path, "?#"); i >= 0 {
		path = path[:i]
	}
	if r.Method == "PUT" {
		path = strings.TrimRight(path, "/") // Tomcat stored /x.jsp/ as /x.jsp: CVE-2017-12615
	}
	name = decoded(path[strings.LastIndexByte(path, '/')+1:])
	k := kindByExtension(extension(name))
	switch {
	case r.Method == "PUT" && runs(name):
		return name, true
	case k == nil, r.Method != "PUT" && k.id == "php":
		return "", false
	}
	return name, false
}

// decoded undoes percent-encoding once; what is none stays.
func decoded(s string) string {
	if strings.IndexByte(s, '%') < 0 {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if c, ok := unhex(s[i+1], s[i+2]); ok {
				out, i = append(out, c), i+2
				continue
			}
		}
		out = append(out, s[i])
	}
	return string(out)
}

// runs tells whether any extension in the name is one that servers run, also where
// systems or servers cut something off behind it (x.jsp;a, "x.php ", x.asp::$DATA),
// or the name is one that Apache takes settings from.
func runs(name string) bool {
	name = lowerToken(name)
	if name == ".htaccess" || name == ".htpasswd" || name == ".user.ini" || name == "web.config" {
		return true
	}
	_, rest, more := strings.Cut(name, ".")
	for more {
		var ext string
		ext, rest, more = strings.Cut(rest, ".")
		end := 0
		for end < len(ext) && (isASCIILetter(ext[end]) || ext[end] >= '0' && ext[end] <= '9') {
			end++
		}
		if isServerProgram(ext[:end]) {
			return true
		}
	}
	return false
}

// isServerProgram tells the extensions of what servers run.
func isServerProgram(ext string) bool {
	switch ext {
	case "asp", "aspx", "asa", "ashx", "asmx", "cshtml", "jsp", "jspx", "jspf", "cgi", "shtml", "cfm",
		"php", "phtml", "phar", "php3", "php4", "php5", "php7", "php8", "pht", "phps":
		return true
	}
	return false
}

// storesPage tells a PUT of what is no file by its type under the name of a page or
// drawing, which a server that looks at names would give to browsers as one.
func storesPage(r *Request) (name string, does bool) {
	if r.Method != "PUT" {
		return "", false
	}
	name, active := pathName(r)
	switch extension(name) {
	case "html", "htm", "xhtml", "svg", "js":
		active = true
	}
	return name, active
}

// moved judges where WebDAV's MOVE and COPY (RFC 4918 sections 9.8 and 9.9) put a
// file that was judged by the name that it had: what was a text must not become a
// page or a program. The destination may be an address or a path.
func (r *Request) moved() *Refusal {
	if r.Method != "MOVE" && r.Method != "COPY" {
		return nil
	}
	from, _ := pathName(&Request{Method: "PUT", Path: r.Path})
	to, active := pathName(&Request{Method: "PUT", Path: r.Destination})
	if active || to != "" && kindByExtension(extension(to)) != kindByExtension(extension(from)) {
		return unsafe(RuleName, r.Method+" would give a file the name "+quote(to)+", under which it was not judged")
	}
	return nil
}
