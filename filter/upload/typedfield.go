package upload

// typedField judges a field that has a Content-Type and no file name. To most servers
// it is a field; Node's formidable makes a file of it, without a name. What it says
// it is must be so: a text or JSON, which is no program and carries no code for a
// server. The policy's types are not asked: programs that send forms (Java's, .NET's)
// declare their texts.
type typedField struct {
	declared string
	head     []byte
	decided  bool
	check    text
}

func (t *typedField) write(b []byte) *Refusal {
	if t.decided {
		return t.check.write(b)
	}
	n := min(headSize-len(t.head), len(b))
	if t.head = append(t.head, b[:n]...); len(t.head) < headSize {
		return nil
	}
	if r := t.decide(); r != nil {
		return r
	}
	return t.check.write(b[n:])
}

func (t *typedField) decide() *Refusal {
	t.decided = true
	head := t.head
	t.head = nil
	if len(head) == 0 {
		return nil
	}
	if isEICAR(head) {
		return unsafe(RuleTestVirus, "the EICAR test file")
	}
	found := detect(head)
	switch k := kindByID(found); {
	case found == "html" || found == "svg" || k != nil && k.group == groupText:
		return t.check.write(head)
	case found == "php":
		return unsafe(RuleTextCode, "PHP code in a field declared "+t.declared)
	case found == "":
		found = "no text"
	}
	return &Refusal{Rule: RuleMismatch, Problem: unsupported, Reason: "a field declared " + t.declared + " is " + found}
}

func (t *typedField) end() *Refusal {
	if t.decided {
		return nil
	}
	return t.decide()
}
