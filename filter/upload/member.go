package upload

import "strings"

// memberHead is what the type of a member is decided on.
const memberHead = 1024

// member judges one member of an archive, while it is unpacked. It does not ask
// for an extension: archives hold what they hold; but programs, archives too
// deep and documents that are active are refused inside as outside.
type member struct {
	env     env
	name    string
	head    []byte
	decided bool
	check   checker
	size    int64
}

func newMember(e env, name string) (*member, *Refusal) {
	if r := e.budget.member(); r != nil {
		return nil, r
	}
	if unsafeMember(name) {
		return nil, refuse("GH-ARC-001", "an archive with the member "+quote(name))
	}
	if programName(name) && e.kind != "apk" && e.kind != "jar" {
		return nil, refuse("GH-ARC-004", "an archive with the program "+quote(name))
	}
	return &member{env: e, name: name}, nil
}

// programName tells names that people start by a click and that nothing else
// bears. Scripts that lie in every source archive are not among them.
func programName(name string) bool {
	name = strings.TrimRight(name[strings.LastIndexAny(name, `/\`)+1:], ". ") // which Windows drops
	switch extension(name) {
	case "exe", "scr", "pif", "cpl", "msi", "lnk", "hta", "vbe", "jse", "wsf", "wsh", "scf", "dll", "vbs", "chm", "msp",
		"msc", "xll", "wll", "settingcontent-ms", "library-ms", "searchconnector-ms", "search-ms", "appref-ms", "iqy", "sct", "wsc", "diagcab", "gadget", "mshxml":
		return true
	case "bat", "cmd", "com", "js", "ps1", "jar", "reg", "url":
		return namedAsDocument(name[:strings.LastIndexByte(name, '.')])
	}
	return false
}

// namedAsDocument tells names that people take for a document or a picture where the
// last extension is not shown: scripts, of which archives have many, have no reason to.
func namedAsDocument(name string) bool {
	switch extension(name) {
	case "pdf", "doc", "docx", "xls", "xlsx", "ppt", "pptx", "rtf", "jpg", "jpeg":
		return true
	}
	return false
}

func (m *member) write(b []byte) *Refusal {
	m.size += int64(len(b))
	if m.decided {
		if m.check == nil {
			return nil
		}
		return m.check.write(b)
	}
	n := min(memberHead-len(m.head), len(b))
	m.head = append(m.head, b[:n]...)
	if len(m.head) < memberHead {
		return nil
	}
	if r := m.decide(); r != nil || m.check == nil {
		return r
	}
	return m.check.write(b[n:])
}

func (m *member) end() *Refusal {
	if !m.decided {
		if r := m.decide(); r != nil {
			return r
		}
	}
	if m.check == nil {
		return nil
	}
	return m.check.end(m.size)
}

func (m *member) decide() *Refusal {
	m.decided = true
	if isEICAR(m.head) {
		return refuse("GH-COD-003", "the EICAR test file, in an archive")
	}
	found := detect(m.head)
	switch found {
	case "exe", "elf", "macho", "lnk":
		if m.env.kind != "apk" && m.env.kind != "jar" {
			return refuse("GH-ARC-004", "an archive with a program, as "+quote(m.name))
		}
	case "zip", "gzip", "tar":
		inner, r := m.env.deeper()
		if r != nil {
			return r
		}
		m.check = m.nested(found, inner)
	case "pdf":
		m.check = newPDF(m.env)
	case "ole":
		// In an archive, old documents may be what they like, as long as their
		// own type is not what the policy was asked about.
		if isContainer(m.env.kind) && m.env.kind != "zip" {
			m.check = newOLE(m.env)
		}
	}
	head := m.head
	m.head = nil
	if m.check == nil {
		return nil
	}
	return m.check.write(head)
}

func (m *member) nested(found string, inner env) checker {
	inner.kind = "zip"
	switch found {
	case "gzip":
		return newGZIP(inner)
	case "tar":
		return newTAR(inner)
	}
	return newZIP("")(inner)
}

const eicarText = `X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR`

func isEICAR(head []byte) bool { return at(head, 0, eicarText) }
