//go:build wasip1 && nogrpc

package main

import "errors"

// A module built with the tag nogrpc loads into hosts of the ABI that have no gRPC
// calls; files that are to be scanned get what the policy says for a scanner that
// cannot be asked.
var errNoGRPC = errors.New("this build of the filter speaks to no scan service (nogrpc)")

func hostStream([]byte, string, string) (uint32, error) { return 0, errNoGRPC }
func hostSend(uint32, []byte) error                     { return errNoGRPC }
func hostEndStream(uint32)                              {}
