//go:build wasip1

package main

// The callbacks that the host enters the VM for. There are no others on purpose:
// it does not enter for a callback that is not exported, and an entry costs about
// as much as a call to the host. Response bodies, trailers and the log are none
// of the filter's business.

//go:wasmexport proxy_abi_version_0_2_0
func proxyABIVersion() {}

//go:wasmexport proxy_on_memory_allocate
func proxyOnMemoryAllocate(size uint32) *byte { return allocate(size) }

//go:wasmexport proxy_on_vm_start
func proxyOnVMStart(uint32, uint32) uint32 {
	return 1
}

//go:wasmexport proxy_on_context_create
func proxyOnContextCreate(id, parent uint32) { vm.create(id, parent) }

//go:wasmexport proxy_on_configure
func proxyOnConfigure(id, _ uint32) uint32 {
	if vm.configure(id) {
		return 1
	}
	return 0
}

//go:wasmexport proxy_on_request_headers
func proxyOnRequestHeaders(id, _, endOfStream uint32) uint32 {
	return uint32(vm.stream(id).onRequestHeaders(endOfStream != 0))
}

//go:wasmexport proxy_on_request_body
func proxyOnRequestBody(id, size, endOfStream uint32) uint32 {
	return uint32(vm.stream(id).onRequestBody(int(size), endOfStream != 0))
}

//go:wasmexport proxy_on_request_trailers
func proxyOnRequestTrailers(id, _ uint32) uint32 { return uint32(vm.stream(id).onRequestTrailers()) }

//go:wasmexport proxy_on_response_headers
func proxyOnResponseHeaders(id, _, _ uint32) uint32 { return uint32(vm.stream(id).onResponseHeaders()) }

//go:wasmexport proxy_on_grpc_receive
func proxyOnGRPCReceive(_, token, size uint32) { vm.onScanReceive(token, int(size)) }

//go:wasmexport proxy_on_grpc_close
func proxyOnGRPCClose(_, token, status uint32) { vm.onScanClose(token, status) }

// The clock runs while something is waited for: the scanner, or the proof that the
// host can hold headers.
//
//go:wasmexport proxy_on_tick
func proxyOnTick(id uint32) { vm.onTick(id) }

//go:wasmexport proxy_on_delete
func proxyOnDelete(id uint32) { vm.remove(id) }
