//go:build nogrpc

package main

import "gatehouse/filter/abi"

// crashHeader is how a test crashes the module that only tests build: what becomes
// of the requests of a VM that crashes is for a real host to show.
const crashHeader = "x-gatehouse-crash"

func crash(request [][2]string) {
	for _, line := range request {
		if line[0] == crashHeader {
			var none *abi.Map
			none.Set(line[0], line[1])
		}
	}
}
