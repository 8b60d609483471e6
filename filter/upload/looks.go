package upload

import (
	"strings"

	"gatehouse/filter/upload/internal/blocks"
)

// isScriptByLook tells the scripts of Windows, and those whose first line names no
// path: by how they begin, and for words that prose may begin with, too, by what they
// call. Texts about scripts begin otherwise.
func isScriptByLook(b []byte) bool {
	for _, first := range [...]string{"@echo off", "@echo on", "powershell -", "powershell.exe -", "cmd /c ", "cmd.exe /c ", "<hta:",
		"#!python", "#!perl", "#!ruby", "#!node", "#!php", "#!bash", "#!sh"} {
		if hasFold(b, first) {
			return true
		}
	}
	for _, first := range [...]string{"set ", "dim ", "on error resume next", "option explicit", "createobject", "wscript.", "with createobject",
		"sub ", "function ", "var ", "let ", "const ", "new activexobject", "(function", "(new", "try", "iex", "invoke-expression", "$", "param(", "start-process", "eval("} {
		if hasFold(b, first) {
			return callsWindows(b)
		}
	}
	return false
}

// callsWindows tells calls that start programs or load something.
func callsWindows(b []byte) bool {
	lower := strings.ToLower(blocks.String(b))
	for _, call := range [...]string{"createobject(\"wscript.shell\")", "createobject(\"scripting.filesystemobject\")", "createobject(\"shell.application\")",
		"createobject(\"adodb.stream\")", "createobject(\"msxml2.", "activexobject(\"wscript.shell\")", "activexobject('wscript.shell')", "activexobject(\"shell.application\")",
		"activexobject(\"msxml2.", "activexobject(\"adodb.stream\")", ".downloadstring(", ".downloadfile(", "net.webclient)", "iex (iwr ", "iex(iwr ", "invoke-expression (invoke-webrequest",
		"[convert]::frombase64string("} {
		if strings.Contains(lower, call) {
			return true
		}
	}
	return false
}
