//go:build !wasip1

package main

import "errors"

// Outside of a Wasm VM there is no host; this is for compilers and linters.

var errNoHost = errors.New("no proxy-wasm host")

func hostLog(uint32, string)                            {}
func hostConfiguration() (string, error)                { return "", errNoHost }
func hostBody(int, int) ([]byte, error)                 { return nil, errNoHost }
func hostTick(uint32) error                             { return errNoHost }
func hostContinue(uint32) error                         { return errNoHost }
func hostReplaceBody(int, []byte) error                 { return errNoHost }
func hostAppendBody([]byte) error                       { return errNoHost }
func hostHeaders(uint32, *[]byte) (string, error)       { return "", errNoHost }
func hostSetHeaders(uint32, []byte) error               { return errNoHost }
func hostAddHeader(uint32, string, string) error        { return errNoHost }
func hostReplaceHeader(uint32, string, string) error    { return errNoHost }
func hostRemoveHeader(uint32, string) error             { return errNoHost }
func hostProperty(string, *[]byte) string               { return "" }
func hostSetProperty(string, []byte) error              { return errNoHost }
func hostDefineGauge(string) (uint32, error)            { return 0, errNoHost }
func hostAddTo(uint32, int64) error                     { return errNoHost }
func hostReply(int, []byte, []byte) error               { return errNoHost }
func hostStream([]byte, string, string) (uint32, error) { return 0, errNoHost }
func hostSend(uint32, []byte) error                     { return errNoHost }
func hostEndStream(uint32)                              {}
func hostMessage(int) ([]byte, error)                   { return nil, errNoHost }
func hostTurnTo(uint32) error                           { return errNoHost }

// The callbacks are called by the host alone: exports_wasm.go.
var _ = [...]any{
	(*machine).create, (*machine).configure, (*machine).stream, (*machine).remove,
	(*machine).onScanReceive, (*machine).onScanClose, (*machine).onTick,
	(*stream).onRequestHeaders, (*stream).onRequestBody, (*stream).onRequestTrailers, (*stream).onResponseHeaders,
}
