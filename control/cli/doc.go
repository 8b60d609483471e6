// Package cli is the gatehouse command.
//
// It promises stable exit codes (0 done, 1 found something wrong, 2 used
// wrongly), results on standard output and nothing else there, and one clear
// line on standard error for what went wrong. Each command is one file. It
// holds no logic of its own beyond reading flags and printing.
package cli
